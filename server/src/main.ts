import { join } from 'node:path';
import { exitCodes, logsFolder } from '@devlm/protocol/discovery.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { protocolVersion } from '@devlm/protocol/routes.ts';
import { type Config, helpText, readConfig } from './config.ts';
import { type Context, claimDataDir, createContext, diagnose } from './context.ts';
import { exitWhenIdle, newSecret, publishDiscovery } from './embedded.ts';
import { createApp, createHttpServer } from './gateway/app.ts';
import { loopbackGuard } from './gateway/guard.ts';
import { createHandlers } from './gateway/handlers.ts';
import { openKeys } from './gateway/identity/keys.ts';
import { tokenCommand, tokenHelp } from './gateway/identity/token-command.ts';
import { Tokens } from './gateway/identity/tokens.ts';
import { type MessagesCall, messagesEndpoint } from './gateway/messages.ts';
import { toProblem } from './gateway/problems.ts';
import { createLogger } from './logging.ts';
import { version } from './version.ts';

/** Upkeep of the store: soon after the start, then every hour; it does what is due. */
const maintenanceMs = 3_600_000;
/** How long a deleted conversation can be brought back. */
const keepDeletedMs = 30 * 86_400_000;

async function serve(config: Config): Promise<void> {
  using lock = claimDataDir(config.dataDir);
  if (!lock) {
    process.exitCode = exitCodes.alreadyRunning;
    return;
  }
  const logger = createLogger({ level: config.logLevel, file: config.logFile });
  const stop = Promise.withResolvers<string>();
  const closing = new AbortController();
  await using context = await createContext(config, logger);

  const tokens = await Tokens.open(() => openKeys(config.dataDir), context.store);
  let port = 0;
  const secret = newSecret();
  using idle = exitWhenIdle(
    config.idleExitMs,
    () => context.notices.watchers > 0 || context.turns.busy > 0 || context.executions.busy > 0,
    () => stop.resolve('idle'),
  );
  const edge = {
    guard: loopbackGuard(secret, () => port, tokens),
    logger,
    onRequest: () => idle.touch(),
    closing: closing.signal,
  };
  const app = createApp({ ...edge, handlers: createHandlers(context, tokens, () => stop.resolve('replaced')) });
  const { provider } = context;
  const messages = messagesEndpoint({
    ...edge,
    upstream: () => provider.upstream(),
    idleMs: config.streamIdleMs,
    onCall: (call) => void noteCall(context, call),
  });
  const server = createHttpServer(app, messages);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(config.port, error)));
    server.listen(config.port, '127.0.0.1', resolve);
  });
  const address = server.address();
  port = typeof address === 'object' && address ? address.port : config.port;

  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => stop.resolve(name));
  // A bug in one request must not end the others; what it left behind is in the log.
  process.on('uncaughtException', (error) => logger.error({ err: error }, 'uncaught exception'));
  process.on('unhandledRejection', (error) => logger.error({ err: error }, 'unhandled rejection'));

  await context.turns.resumeAll();
  using _discovery = publishDiscovery(config.dataDir, {
    port,
    secret,
    pid: process.pid,
    version,
    protocol: protocolVersion,
    startedAt: new Date().toISOString(),
  });
  logger.info({ version, port, dataDir: config.dataDir, store: context.store.kind }, 'ready');
  process.stdout.write(`DevLM ${version} is listening on http://127.0.0.1:${port}\n`);

  const maintain = () =>
    context.store
      .purgeDeleted(new Date(Date.now() - keepDeletedMs))
      .then(() => context.store.purgeExecutions(new Date(Date.now() - config.executionKeepDays * 86_400_000)))
      .then(() => context.store.maintain())
      .catch((error: unknown) => logger.error({ err: error }, 'maintenance failed'));
  const soon = setTimeout(maintain, 30_000);
  const hourly = setInterval(maintain, maintenanceMs);

  const reason = await stop.promise;
  logger.info({ reason }, 'closing');
  clearTimeout(soon);
  clearInterval(hourly);
  context.notices.send({ type: 'closing' });
  await new Promise((resolve) => setImmediate(resolve));
  closing.abort();
  server.close();
  // Streams end with the signal; what is left after a moment is not waited for.
  setTimeout(() => server.closeAllConnections(), 500).unref();
}

/** A call of a client of the Messages endpoint, in the ledger and in every window's sum of the day. */
async function noteCall({ store, provider, notices, logger }: Context, call: MessagesCall): Promise<void> {
  const costUsd = call.model === null ? null : provider.costOf(call.model, call.usage);
  try {
    await store.addCall({ ...call, at: Date.now(), conversationId: null, purpose: 'api', costUsd });
    notices.usageChanged();
  } catch (error) {
    logger.error({ err: error }, 'a call could not be noted');
  }
}

function cannotListen(port: number, error: NodeJS.ErrnoException): ProblemError {
  const detail =
    error.code === 'EADDRINUSE'
      ? `port: ${port} is taken by another program. Name another, or 0 for a free one.`
      : `port: cannot listen on ${port} (${error.code ?? error.message}).`;
  return new ProblemError(
    { code: 'config_invalid', status: 400, title: 'Wrong configuration', detail },
    { cause: error },
  );
}

async function main(): Promise<void> {
  const [command, ...args] = process.argv.slice(2);
  if (command === 'token') {
    if (args.includes('--help')) process.stdout.write(tokenHelp);
    else await tokenCommand(args, (text) => process.stdout.write(text));
    return;
  }
  if (command === undefined || command === '--help' || command === 'help' || args.includes('--help')) {
    process.stdout.write(helpText);
    return;
  }
  if (command === '--version') {
    process.stdout.write(`${version}\n`);
    return;
  }
  if (command === 'doctor') return doctor(args);
  if (command !== 'serve')
    throw new ProblemError({
      code: 'unknown_command',
      status: 400,
      title: 'Unknown command',
      detail: `There is no command ${command}. See devlm --help.`,
    });
  await serve(withDefaults(readConfig(args)));
}

/** Prints what the server stands on; with `--json` for programs. Exit code 1 where something is not well. */
async function doctor(args: readonly string[]): Promise<void> {
  const config = readConfig(args.filter((arg) => arg !== '--json'));
  const findings = await diagnose(config, createLogger({ level: 'silent', file: undefined }));
  if (args.includes('--json')) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
  else
    for (const { what, ok, detail } of findings) process.stdout.write(`${ok ? 'ok  ' : 'BAD '} ${what}: ${detail}\n`);
  if (findings.some(({ ok }) => !ok)) process.exitCode = exitCodes.failed;
}

/** A server that the editor starts has no terminal to log to. */
function withDefaults(config: Config): Config {
  const toFile = config.embedded && !process.stderr.isTTY && config.logFile === undefined;
  return toFile ? { ...config, logFile: join(config.dataDir, logsFolder, 'server.log') } : config;
}

main().then(
  () => {
    // Lingering connections and timers must not keep an ended server alive.
    setTimeout(() => process.exit(), 1_000).unref();
  },
  (error: unknown) => {
    if (!(error instanceof ProblemError))
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.stderr.write(`${JSON.stringify({ problem: toProblem(error) })}\n`);
    process.exit(exitCodes.failed);
  },
);

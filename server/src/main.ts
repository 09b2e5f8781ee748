import type { Server } from 'node:http';
import { join } from 'node:path';
import { exitCodes, logsFolder } from '@devlm/protocol/discovery.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { protocolVersion } from '@devlm/protocol/routes.ts';
import type { Logger } from 'pino';
import { type Config, helpText, readConfig } from './config.ts';
import { type Context, claimDataDir, createContext, diagnose } from './context.ts';
import { exitWhenIdle, newSecret, publishDiscovery } from './embedded.ts';
import { apiSpending } from './gateway/api-spending.ts';
import { createApp } from './gateway/app.ts';
import { commands } from './gateway/commands/commands.ts';
import { hostInUrl } from './gateway/commands/local-server.ts';
import { loopbackGuard, teamGuard } from './gateway/guard.ts';
import { createHttpServer } from './gateway/http-server.ts';
import { Ownership } from './gateway/identity/ownership.ts';
import { Tokens } from './gateway/identity/tokens.ts';
import { admission } from './gateway/limits/admission.ts';
import { SharedAnswers } from './gateway/messages/shared-answers.ts';
import { messagesEndpoint } from './gateway/messages.ts';
import { serveMetrics } from './gateway/metrics.ts';
import { problemForClient } from './gateway/problems.ts';
import { createHandlers } from './gateway/routes.ts';
import { strictly } from './gateway/strict-http.ts';
import { createLogger } from './logging.ts';
import { version } from './version.ts';

/** Interval of the maintenance of the store, in milliseconds. It also runs soon after the start. */
const maintenanceIntervalMs = 3_600_000;
/** Idle time after which an embedded server exits, in milliseconds. */
const embeddedIdleMs = 600_000;
/** Time during which a deleted conversation can be restored, in milliseconds. */
const deletedRetentionMs = 30 * 86_400_000;

async function serve(config: Config): Promise<void> {
  using lock = claimDataDir(config.dataDir);
  if (!lock) {
    process.exitCode = exitCodes.alreadyRunning;
    return;
  }
  let hide = (line: string) => line;
  const logger = createLogger({ level: config.logLevel, file: config.logFile, hide: (line) => hide(line) });
  const stop = Promise.withResolvers<string>();
  const closing = new AbortController();
  await using context = await createContext(config, logger);
  hide = (line) => context.secrets.hideAll(line);

  const tokens = await Tokens.open(context.store, config.dataDir);
  if (!config.embedded) await tokens.prepare();
  using _following = tokens.follow(logger);
  let port = 0;
  const secret = newSecret();
  const guard = config.embedded ? loopbackGuard(secret, () => port, tokens) : teamGuard(secret, tokens);
  using idle = exitWhenIdle(
    config.idleExitMs ?? (config.embedded ? embeddedIdleMs : 0),
    () => context.notices.watchers > 0 || context.turns.busy > 0 || context.executions.busy > 0,
    () => stop.resolve('idle'),
  );
  const edge = {
    admit: admission(strictly(guard), context.shared.limiter, config),
    logger,
    onRequest: () => idle.touch(),
    closing: closing.signal,
  };
  const handlers = createHandlers(context, tokens, () => stop.resolve('replaced'));
  const app = createApp({ ...edge, ownership: new Ownership(context), handlers });
  const server = createHttpServer(app, messagesEndpoint({ ...edge, ...messagesOptions(config, context) }));
  port = await listen(server, config);
  using _metrics = await serveMetrics(config, server, context);
  stopOnSignals(stop.resolve);
  logBugs(logger);

  await context.turns.resumeAll();
  using _discovery = publishDiscovery(config.dataDir, {
    host: config.host,
    port,
    secret,
    pid: process.pid,
    version,
    protocol: protocolVersion,
    startedAt: new Date().toISOString(),
  });
  logger.info({ version, port, dataDir: config.dataDir, store: context.store.kind }, 'ready');
  process.stdout.write(`DevLM ${version} is listening on http://${hostInUrl(config.host)}:${port}\n`);
  using _maintenance = maintainRegularly(config, context);

  const reason = await stop.promise;
  logger.info({ reason }, 'closing');
  context.notices.send({ type: 'closing' });
  await new Promise((resolve) => setImmediate(resolve));
  closing.abort();
  server.close();
  // Streams end with the signal. Connections still open shortly afterwards are closed.
  setTimeout(() => server.closeAllConnections(), 500).unref();
}

/** Returns the options of the Messages endpoint that it does not share with the other routes. */
function messagesOptions(config: Config, context: Context) {
  const { provider, answers } = context;
  return {
    pool: provider.pool,
    models: (signal: AbortSignal) => provider.models(signal),
    ...(answers ? { answers: new SharedAnswers(answers) } : {}),
    idleMs: config.streamIdleMs,
    ...apiSpending(context),
  };
}

/**
 * Listens on the configured address and port. Returns the port.
 * @throws ProblemError `config_invalid` when the port is taken or not allowed
 */
async function listen(server: Server, config: Config): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(config, error)));
    server.listen(config.port, config.host, resolve);
  });
  const address = server.address();
  return typeof address === 'object' && address ? address.port : config.port;
}

function stopOnSignals(stop: (reason: string) => void): void {
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => stop(name));
}

/** Logs uncaught errors: a bug in one request must not end the others. */
function logBugs(logger: Logger): void {
  process.on('uncaughtException', (error) => logger.error({ err: error }, 'uncaught exception'));
  process.on('unhandledRejection', (error) => logger.error({ err: error }, 'unhandled rejection'));
}

/** Removes expired records and maintains the store, soon after the start and then every hour. */
function maintainRegularly({ executionKeepDays }: Config, { store, logger }: Context): Disposable {
  const before = (ms: number) => new Date(Date.now() - ms);
  const maintain = () =>
    store.conversations
      .purgeDeleted(before(deletedRetentionMs))
      .then(() => store.executions.purge(before(executionKeepDays * 86_400_000)))
      .then(() => store.maintain())
      .catch((error: unknown) => logger.error({ err: error }, 'maintenance failed'));
  const soon = setTimeout(maintain, 30_000);
  const hourly = setInterval(maintain, maintenanceIntervalMs);
  return {
    [Symbol.dispose]() {
      clearTimeout(soon);
      clearInterval(hourly);
    },
  };
}

function cannotListen({ host, port }: Config, error: NodeJS.ErrnoException): ProblemError {
  const detail =
    error.code === 'EADDRINUSE'
      ? `port: port ${port} is in use by another program. Choose another port, or 0 for a free one.`
      : `port: cannot listen on ${hostInUrl(host)}:${port} (${error.code ?? error.message}).`;
  return new ProblemError(
    { code: 'config_invalid', status: 400, title: 'Invalid configuration', detail },
    { cause: error },
  );
}

async function main(): Promise<void> {
  const [command, ...args] = process.argv.slice(2);
  const known = commands.get(command ?? '');
  if (known) {
    const print = (text: string) => void process.stdout.write(text);
    if (args.includes('--help')) print(known.help);
    else await known.run(args, { input: process.stdin, print });
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
      detail: `"${command}" is not a command. Run "devlm --help" for a list of commands.`,
    });
  await serve(withDefaults(readConfig(args)));
}

/** Runs `devlm doctor`: prints the state of what the server depends on, as JSON with `--json`. Exit code 1 on a problem. */
async function doctor(args: readonly string[]): Promise<void> {
  const config = readConfig(args.filter((arg) => arg !== '--json'));
  const findings = await diagnose(config, createLogger({ level: 'silent', file: undefined }));
  if (args.includes('--json')) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
  else
    for (const { what, ok, detail } of findings) process.stdout.write(`${ok ? 'ok  ' : 'BAD '} ${what}: ${detail}\n`);
  if (findings.some(({ ok }) => !ok)) process.exitCode = exitCodes.failed;
}

/** Makes an embedded server that has no terminal log to a file. */
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
    process.stderr.write(`${JSON.stringify({ problem: problemForClient(error) })}\n`);
    process.exit(exitCodes.failed);
  },
);

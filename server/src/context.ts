import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { protocolVersion } from '@devlm/protocol/routes.ts';
import type { ServerInfo } from '@devlm/protocol/views.ts';
import type { Logger } from 'pino';
import { McpServers } from './actions/foreign/mcp/servers.ts';
import { ConversationSecrets } from './actions/secrets/conversation-secrets.ts';
import { hiddenEvent } from './actions/secrets/hidden-event.ts';
import { ProjectSymbols } from './actions/symbols/project-symbols.ts';
import { dialPublic } from './actions/web/dial.ts';
import { Pages } from './actions/web/pages.ts';
import { searchEngine } from './actions/web/web.ts';
import { SentRequests } from './agent/sent-requests.ts';
import { TurnScheduler } from './agent/turn-scheduler.ts';
import { examine, type Finding } from './backend/doctor.ts';
import { Executions } from './backend/executions.ts';
import { Notices } from './backend/notices.ts';
import { type ToolboxDeps, toolboxFor } from './backend/toolbox.ts';
import type { Config } from './config.ts';
import { deriveKey, readDataKey } from './data-key.ts';
import { Answers } from './llm/answers/answers.ts';
import { Budgets } from './llm/budgets.ts';
import { Instances } from './llm/pool/instances.ts';
import { Provider } from './llm/provider.ts';
import { ProviderSearch } from './llm/web-search.ts';
import { SandboxChoice } from './sandbox/choice.ts';
import { FairQueue } from './sandbox/queue.ts';
import { lazySandbox, type Sandbox } from './sandbox/sandbox.ts';
import { EventLog } from './storage/event-log.ts';
import type { Store } from './storage/ports/store.ts';
import { examineShared, openShared, type Shared } from './storage/shared.ts';
import { lockFolder } from './storage/sqlite/lock.ts';
import { version } from './version.ts';
import { Editors } from './workspace/editors.ts';
import { ProjectFolders } from './workspace/folder/project-folders.ts';
import { Workspaces } from './workspace/workspaces.ts';

/** The components of a running server. This file is the only place that chooses and builds adapters. */
export interface Context extends AsyncDisposable {
  readonly config: Config;
  readonly logger: Logger;
  readonly store: Store;
  readonly log: EventLog;
  readonly shared: Shared;
  /** Shared answers of the Messages API; null if they are disabled. */
  readonly answers: Answers | null;
  readonly provider: Provider;
  readonly instances: Instances;
  readonly budgets: Budgets;
  readonly turns: TurnScheduler;
  readonly sentRequests: SentRequests;
  readonly notices: Notices;
  readonly executions: Executions;
  readonly editors: Editors;
  readonly folders: ProjectFolders;
  readonly secrets: ConversationSecrets;
  /** Dependencies of the tools. */
  readonly toolbox: ToolboxDeps;
  /** Returns the current state of the server. */
  info(): ServerInfo;
}

/** Builds every adapter and the components that use them. Disposing of the context closes them in order. */
export async function createContext(config: Config, logger: Logger): Promise<Context> {
  const storage = await openStorage(config, logger);
  const { store, shared, log, secrets } = storage;
  const claude = await openClaude(config, logger, store);
  const notices = new Notices(store, log, shared.fanout, logger);
  const { editors, folders, workspaces, symbols } = openWorkspaces(config);
  const sandbox = new SandboxChoice(openSandboxes(config, logger, () => readId(config.dataDir, serverIdFile)));
  const executions = openExecutions(config, logger, { store, secrets, sandbox, notices });
  const mcp = openMcpServers(config, editors, notices);
  const web = { pages: new Pages(), search: searchEngine(config, new ProviderSearch(claude.provider)) };
  const toolbox: ToolboxDeps = { store, workspaces, executions, mcp, web, symbols, secrets };
  const sentRequests = new SentRequests();
  const turns = openTurns(config, logger, { ...storage, ...claude, workspaces, toolbox, sentRequests });
  // An earlier server used Docker: asking for the status removes the containers that it may have left behind.
  if (existsSync(join(config.dataDir, serverIdFile))) void executions.status();
  const startedAt = new Date().toISOString();
  return {
    config,
    logger,
    store,
    log,
    shared,
    answers: openAnswers(config, shared),
    ...claude,
    turns,
    sentRequests,
    notices,
    executions,
    editors,
    folders,
    secrets,
    toolbox,
    info: () => infoOf(config, claude.provider, turns, startedAt),
    async [Symbol.asyncDispose]() {
      claude.instances[Symbol.dispose]();
      claude.budgets[Symbol.dispose]();
      log[Symbol.dispose]();
      // Close both together: a turn must neither mistake the end of its program for a result nor start another program.
      await Promise.all([executions.close(), turns[Symbol.asyncDispose]()]);
      await Promise.all([sandbox.close(), mcp[Symbol.asyncDispose](), symbols[Symbol.asyncDispose]()]);
      await Promise.all([store.close(), shared[Symbol.asyncDispose]()]);
    },
  };
}

type Storage = Pick<Context, 'store' | 'shared' | 'log' | 'secrets'>;
type Claude = Pick<Context, 'provider' | 'instances' | 'budgets'>;

/** Opens the store, the services shared by nodes, and the event log, which removes credentials from appended events. */
async function openStorage(config: Config, logger: Logger): Promise<Storage> {
  const key = readDataKey(config.dataDir, config.dataKey);
  const store = await openStore(config, deriveKey(key, 'store'));
  const shared = await openShared(config.redisUrl, logger);
  const secrets = new ConversationSecrets({
    keyOf: (id) => deriveKey(key, `secrets ${id}`),
    copiedFrom: (id) => store.conversations.copiedFrom(id),
  });
  const log = new EventLog(store, {
    prepare: async (conversationId, events) => {
      const own = await secrets.of(conversationId);
      return events.map((event) => hiddenEvent(own, event));
    },
    fanout: shared.fanout,
  });
  return { store, shared, log, secrets };
}

async function openClaude(config: Config, logger: Logger, store: Store): Promise<Claude> {
  const provider = new Provider(config, logger);
  // The calls that a team server makes need not wait for an editor to provide a credential.
  if (!config.embedded) provider.handOver();
  const instances = await Instances.open(store, provider);
  return { provider, instances, budgets: new Budgets(store, provider, logger) };
}

function openWorkspaces(config: Config) {
  const editors = new Editors();
  const folders = new ProjectFolders(config.workspacesDir ?? join(config.dataDir, 'workspaces'));
  const symbols = new ProjectSymbols();
  editors.onWindow(({ projectId, mapTokens }) => {
    if (mapTokens) symbols.refresh(projectId, mapTokens, (signal) => editors.workspace(projectId, signal));
  });
  return { editors, folders, workspaces: new Workspaces(editors, folders), symbols };
}

function openExecutions(
  config: Config,
  logger: Logger,
  { notices, ...parts }: Pick<Context, 'store' | 'secrets' | 'notices'> & { readonly sandbox: SandboxChoice },
): Executions {
  return new Executions({
    ...parts,
    queue: new FairQueue({ concurrency: config.sandboxConcurrency, waiting: config.sandboxQueue }),
    caps: { memoryMb: config.sandboxMemoryMb, cpus: config.sandboxCpus, wallMs: config.sandboxWallMs },
    mayAcceptOpenNetwork: config.embedded,
    logger,
    ended: (record, userId) => notices.send({ type: 'execution.ended', record }, userId),
  });
}

function openMcpServers(config: Config, editors: Editors, notices: Notices): McpServers {
  return new McpServers({
    dataDir: config.dataDir,
    version,
    stdio: config.mcpStdio ?? config.embedded,
    callMs: config.mcpCallMs,
    idleMs: config.mcpIdleMs,
    attached: (projectId) => editors.attached(projectId),
    onStatus: (projectId, server) => notices.sendTo(projectId, { type: 'mcp.changed', projectId, server }),
  });
}

function openTurns(
  config: Config,
  logger: Logger,
  {
    store,
    log,
    shared,
    provider,
    budgets,
    workspaces,
    toolbox,
    sentRequests,
  }: Storage & Claude & Pick<Context, 'toolbox' | 'sentRequests'> & { readonly workspaces: Workspaces },
): TurnScheduler {
  return new TurnScheduler({
    store,
    log,
    provider,
    budgets,
    toolsFor: (conversation, task, signal) => toolboxFor(toolbox, conversation, task, signal),
    logger,
    sentRequests,
    node: readId(config.dataDir, nodeIdFile),
    hasWindow: (projectId) => workspaces.attached(projectId),
    fanout: shared.fanout,
    retryBaseMs: config.retryBaseMs,
    compactAt: config.compactAt / 100,
    sentinel: config.sentinel,
  });
}

function openAnswers({ answerCacheMinutes }: Config, { cache }: Shared): Answers | null {
  return answerCacheMinutes > 0 ? new Answers({ cache, ttlMs: answerCacheMinutes * 60_000 }) : null;
}

function infoOf(config: Config, provider: Provider, turns: TurnScheduler, startedAt: string): ServerInfo {
  return {
    version,
    protocol: protocolVersion,
    mode: config.embedded ? 'embedded' : 'team',
    pid: process.pid,
    startedAt,
    key: provider.key,
    demo: config.demo,
    baseUrl: new URL(provider.baseUrl).origin,
    busyTurns: turns.busy,
  };
}

/** Returns the findings of `devlm doctor`. It may run beside a server: it takes no lock and changes nothing. */
export async function diagnose(config: Config, logger: Logger): Promise<Finding[]> {
  // A separate id, so that it does not mistake a server's running containers for leftovers. It runs nothing itself.
  const sandboxes = openSandboxes(config, logger, randomUUID);
  try {
    const [store, redis] = await Promise.all([examineStore(config), examineShared(config.redisUrl)]);
    return await examine({ version, dataDir: config.dataDir, store, redis, sandboxes });
  } finally {
    await Promise.all(sandboxes.map((sandbox) => sandbox.close()));
  }
}

/** Examines the store without opening it, which would migrate its tables to this version. */
async function examineStore({ databaseUrl, dataDir }: Config): Promise<Omit<Finding, 'what'>> {
  if (databaseUrl) {
    const { examinePostgres } = await import('./storage/postgres/examine.ts');
    return examinePostgres(databaseUrl);
  }
  const file = join(dataDir, 'devlm.db');
  const used = existsSync(file) ? `${Math.ceil(statSync(file).size / 2 ** 20)} MB` : 'empty';
  return { ok: true, detail: `SQLite, ${file}, ${used}` };
}

/**
 * Creates the data folder, accessible only to this user, and locks it for this server.
 *
 * @returns the lock; null if another server holds it
 * @throws ProblemError `config_invalid` if the folder cannot be created
 */
export function claimDataDir(dataDir: string): Disposable | null {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    const why = error instanceof Error ? error.message : '';
    const detail = `dataDir: cannot create the folder ${dataDir} (${why}). Choose another folder.`;
    throw new ProblemError(
      { code: 'config_invalid', status: 400, title: 'Invalid configuration', detail },
      { cause: error },
    );
  }
  // Change the mode only of a folder that a server has used before, and not of a shared one such as /tmp.
  const ours = existsSync(join(dataDir, 'server.lock'));
  if (ours && process.platform !== 'win32') chmodSync(dataDir, 0o700);
  return lockFolder(dataDir);
}

/**
 * Opens the configured store. Its driver is loaded only if it is used: an embedded server never evaluates `pg`.
 *
 * @param key encrypts secrets in the store; not needed by a caller that reads none of them
 */
export async function openStore(config: Config, key?: Uint8Array): Promise<Store> {
  if (config.databaseUrl) {
    const { openPostgres } = await import('./storage/postgres/postgres.ts');
    return openPostgres({ url: config.databaseUrl, version, key });
  }
  const { openSqlite } = await import('./storage/sqlite/sqlite.ts');
  return openSqlite({ file: join(config.dataDir, 'devlm.db'), version, key });
}

/** Returns the configured sandbox engines, the preferred one first. Each is loaded on first use. */
function openSandboxes(config: Config, logger: Logger, serverId: () => string): Sandbox[] {
  const docker = lazySandbox('docker', async () => {
    const { createDockerSandbox } = await import('./sandbox/docker/docker.ts');
    return createDockerSandbox({
      host: config.dockerHost,
      certPath: config.dockerCertPath,
      runtime: config.sandboxRuntime,
      images: config.sandboxImages,
      serverId: serverId(),
      warm: { min: config.sandboxWarmMin, max: config.sandboxWarmMax },
      dial: dialPublic,
      logger,
    });
  });
  const embedded = lazySandbox('embedded', async () => {
    const { createEmbeddedSandbox } = await import('./sandbox/embedded/embedded.ts');
    const runtimesDir = config.runtimesDir ?? join(config.dataDir, 'runtimes');
    return createEmbeddedSandbox({ runtimesDir, logger, concurrency: config.sandboxConcurrency });
  });
  return { auto: [docker, embedded], docker: [docker], embedded: [embedded], off: [] }[config.sandbox];
}

/** File with the id that marks this server's containers in Docker. */
const serverIdFile = 'server-id';
/** File with the id of this server among the nodes of a team. */
const nodeIdFile = 'node-id';

/**
 * Returns the id in a file of the data folder, and creates it if there is none. One server at a time holds the folder,
 * so the id also identifies what an earlier server left behind.
 */
function readId(dataDir: string, name: string): string {
  const file = join(dataDir, name);
  const known = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  if (/^[0-9a-f-]{36}$/.test(known)) return known;
  const id = randomUUID();
  writeFileSync(file, `${id}\n`, { mode: 0o600 });
  return id;
}

import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ServerInfo } from '@devlm/protocol/routes.ts';
import { protocolVersion } from '@devlm/protocol/routes.ts';
import type { Logger } from 'pino';
import { Turns } from './agent/turns.ts';
import { Notices } from './backend/notices.ts';
import type { Config } from './config.ts';
import { Provider } from './llm/provider.ts';
import { EventLog } from './storage/event-log.ts';
import { lockFolder } from './storage/lock.ts';
import type { Store } from './storage/store.ts';
import { version } from './version.ts';

/** Everything a running server is made of. The only place that chooses and builds adapters. */
export interface Context extends AsyncDisposable {
  readonly config: Config;
  readonly logger: Logger;
  readonly store: Store;
  readonly log: EventLog;
  readonly provider: Provider;
  readonly turns: Turns;
  readonly notices: Notices;
  info(): ServerInfo;
}

export async function createContext(config: Config, logger: Logger): Promise<Context> {
  const store = await openStore(config);
  const log = new EventLog(store);
  const provider = new Provider(config);
  const turns = new Turns({ store, log, provider, tools: [], logger, retryBaseMs: config.retryBaseMs });
  const notices = new Notices(store, log, logger);
  const startedAt = new Date().toISOString();
  return {
    config,
    logger,
    store,
    log,
    provider,
    turns,
    notices,
    info: () => ({
      version,
      protocol: protocolVersion,
      mode: config.embedded ? 'embedded' : 'team',
      pid: process.pid,
      startedAt,
      key: provider.key,
      demo: config.demo,
      baseUrl: new URL(provider.baseUrl).origin,
      busyTurns: turns.busy,
    }),
    async [Symbol.asyncDispose]() {
      await turns[Symbol.asyncDispose]();
      await store.close();
    },
  };
}

/**
 * Makes the data folder, for this user alone, and holds it for this server.
 *
 * @returns null when another server has it
 */
export function claimDataDir(dataDir: string): Disposable | null {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    const why = error instanceof Error ? error.message : '';
    const detail = `dataDir: the folder ${dataDir} cannot be made (${why}). Name another.`;
    throw new ProblemError(
      { code: 'config_invalid', status: 400, title: 'Wrong configuration', detail },
      { cause: error },
    );
  }
  // Not a folder that belongs to others as well, such as /tmp: only one that has been ours before.
  const ours = existsSync(join(dataDir, 'server.lock'));
  if (ours && process.platform !== 'win32') chmodSync(dataDir, 0o700);
  return lockFolder(dataDir);
}

/** Each store is loaded only where it is used: a person's own server never evaluates `pg`. */
async function openStore(config: Config): Promise<Store> {
  if (config.databaseUrl) {
    const { openPostgres } = await import('./storage/postgres.ts');
    return openPostgres({ url: config.databaseUrl, version });
  }
  const { openSqlite } = await import('./storage/sqlite.ts');
  return openSqlite({ file: join(config.dataDir, 'devlm.db'), version });
}

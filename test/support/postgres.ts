import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** A private, empty PostgreSQL server. */
export interface PostgresServer extends AsyncDisposable {
  /** Folder with `initdb`, `pg_dump` and the other programs. */
  readonly bin: string;
  /** Creates an empty database and returns its URL. */
  createDatabase(): Promise<string>;
  /** Ends every connection to a database, as a network failure would. */
  cutConnections(url: string): Promise<void>;
}

const startTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;

/**
 * Starts a real PostgreSQL server with its data and its Unix socket in a temporary folder, so that any number can run
 * at the same time. Disposing of it ends the server and removes the folder.
 */
export async function startPostgres(options: { sync?: boolean } = {}): Promise<PostgresServer> {
  const bin = findPostgres();
  const user = process.getuid?.() === 0 ? postgresUser() : {};
  const folder = mkdtempSync(join(tmpdir(), 'devlm-pg-'));
  if (user.uid !== undefined && user.gid !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const init = ['-D', data, '-A', 'trust', '-U', 'devlm', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'];
  execFileSync(join(bin, 'initdb'), init, { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const server = ['-D', data, '-k', folder, '-c', 'listen_addresses=', '-c', 'logging_collector=off'];
  if (options.sync === false) server.push('-F');
  const child = spawn(join(bin, 'postgres'), server, { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-4_000);
  });
  const onExit = () => child.kill('SIGQUIT');
  process.once('exit', onExit);

  const urlOf = (database: string) => `postgresql://devlm@localhost/${database}?host=${encodeURIComponent(folder)}`;
  const admin = <T>(work: (client: pg.Client) => Promise<T>) => withClient(urlOf('postgres'), work);
  const stop = async () => {
    process.off('exit', onExit);
    await end(child);
    rmSync(folder, { recursive: true, force: true });
  };
  const deadline = Date.now() + startTimeoutMs;
  while (!(await admin(async () => true).catch(() => false))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`PostgreSQL did not start: ${log}`);
    }
    await sleep(20);
  }
  let databases = 0;
  return {
    bin,
    async createDatabase() {
      const name = `test_${++databases}`;
      await admin((client) => client.query(`create database ${name}`));
      return urlOf(name);
    },
    async cutConnections(url) {
      const name = new URL(url).pathname.slice(1);
      await admin((client) =>
        client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]),
      );
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** Runs a function with a new connection. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Returns the program folder of the newest installed PostgreSQL. Debian keeps these folders out of PATH. */
function findPostgres(): string {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...versions.map((version) => join(debian, version, 'bin'))];
  folders.push(...(process.env['PATH'] ?? '').split(delimiter));
  const found = folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
  if (found === undefined) throw new Error('PostgreSQL is missing. Install it with: apt-get install -y postgresql');
  return found;
}

/** Returns the user that runs the server if the tests run as root, as which PostgreSQL refuses to run. */
function postgresUser(): { uid?: number; gid?: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = new Promise<boolean>((resolve) => child.once('exit', () => resolve(true)));
  child.kill('SIGINT');
  const late = sleep(stopTimeoutMs, false, { ref: false });
  if (await Promise.race([exited, late])) return;
  child.kill('SIGQUIT');
  await exited;
}

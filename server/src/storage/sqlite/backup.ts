import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';

/*
 * Backups are compact copies of the whole database that are checked before they count. All of the work is done in a
 * worker, because reading a large file would block every conversation.
 */

/** Number of daily backups that are kept. */
const maxDailyBackups = 3;

/** Creates today's backup if there is none yet, and removes all daily backups except the newest three. */
export async function backUpDaily(file: string, now: Date): Promise<void> {
  const day = now.toISOString().slice(0, 10);
  const existing = dailyBackups(file);
  if (!existing.some((path) => path.endsWith(`-${day}.db`))) await backUp(file, day);
  for (const surplus of dailyBackups(file).slice(maxDailyBackups)) rmSync(surplus, { force: true });
}

/** Creates and checks the backup `backups/<name>-<label>.db`. A file with that name is always complete and checked. */
export async function backUp(file: string, label: string): Promise<void> {
  const folder = backupFolder(file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  removeLeftovers(folder);
  const target = join(folder, `${nameWithoutExtension(file)}-${label}.db`);
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    // Creates an empty file with the right mode, which SQLite then fills.
    closeSync(openSync(temporary, 'w', 0o600));
    await runInWorker({ source: file, target: temporary });
    await runInWorker({ check: temporary });
    sync(temporary, 'r+');
    renameSync(temporary, target);
    if (process.platform !== 'win32') sync(folder, 'r');
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Returns the newest intact backup, or null. */
export async function newestGoodBackup(file: string): Promise<string | null> {
  const paths = backups(file).sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const path of paths) {
    const isIntact = await runInWorker({ check: path }).then(
      () => true,
      () => false,
    );
    if (isIntact) return path;
  }
  return null;
}

/** Returns the daily backups, newest first. */
function dailyBackups(file: string): string[] {
  return backups(file)
    .filter((path) => /-\d{4}-\d{2}-\d{2}\.db$/.test(path))
    .sort()
    .reverse();
}

function backups(file: string): string[] {
  const folder = backupFolder(file);
  return filesIn(folder)
    .filter((name) => name.startsWith(`${nameWithoutExtension(file)}-`) && name.endsWith('.db'))
    .map((name) => join(folder, name));
}

/** Removes the temporary files of a server that ended in the middle of a backup. */
function removeLeftovers(folder: string): void {
  for (const name of filesIn(folder)) {
    if (/\.tmp(-journal)?$/.test(name)) rmSync(join(folder, name), { force: true });
  }
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function backupFolder(file: string): string {
  return join(dirname(file), 'backups');
}

function nameWithoutExtension(file: string): string {
  return basename(file, extname(file));
}

function sync(path: string, flags: string): void {
  const descriptor = openSync(path, flags);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** What the worker is to do: copy the database `source` to `target`, or check a copy. */
type BackupJob = { readonly source: string; readonly target: string } | { readonly check: string };

/**
 * Program of the worker, as text because the server ships as one file, and as CommonJS. It posts an error, or an empty
 * object.
 */
const workerSource = `
const { parentPort, workerData: job } = require('node:worker_threads');
const { DatabaseSync } = require('node:sqlite');
try {
  const database = new DatabaseSync(job.check ?? job.source, { readOnly: true, timeout: 10000 });
  if (job.check) {
    const [first] = Object.values(database.prepare('pragma integrity_check(1)').get());
    if (first !== 'ok') throw Object.assign(new Error(first), { errcode: 11 });
    database.prepare('select count(*) from schema_versions').get();
  } else {
    database.prepare('vacuum into ?').run(job.target);
  }
  database.close();
  parentPort.postMessage({});
} catch (error) {
  parentPort.postMessage({ message: String(error.message), errcode: error.errcode ?? 0 });
}
`;

class WorkerError extends Error {
  readonly errcode: number;

  constructor(message: string, errcode: number) {
    super(message);
    this.errcode = errcode;
  }
}

async function runInWorker(job: BackupJob): Promise<void> {
  const worker = new Worker(workerSource, { eval: true, workerData: job, execArgv: ['--no-warnings'] });
  const answer = await new Promise<{ message?: string; errcode?: number }>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the worker of the backup exited with code ${code}`)));
  });
  await worker.terminate();
  if (answer.message !== undefined) throw new WorkerError(answer.message, answer.errcode ?? 0);
}

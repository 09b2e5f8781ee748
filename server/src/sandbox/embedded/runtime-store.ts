import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { untilAborted } from '@devlm/protocol/until-aborted.ts';
import { sha256Hex } from '../../sha256.ts';
import type { RuntimeName } from './child/frames.ts';
import { pythonDriver } from './child/python-driver.ts';
import {
  findInNodeModules,
  findInstalled,
  findPacks,
  installFromPack,
  installWithNpm,
  type Npm,
  type Progress,
  type RuntimeFolders,
} from './install.ts';
import { folderOf, runtimes } from './runtimes.ts';

/** Options of a `RuntimeStore`. */
export interface RuntimeStoreOptions {
  /** Folder for installed runtimes and their snapshots. */
  readonly runtimesDir: string;
  /** Folder whose node_modules may contain the runtimes, or null. */
  readonly repository: string | null;
  /** Finds npm on this machine. */
  readonly npm: () => Promise<Npm | null>;
}

/** Runtimes of this machine, which are found, or installed on first use. */
export class RuntimeStore {
  readonly #options: RuntimeStoreOptions;
  readonly #found = new Map<RuntimeName, RuntimeFolders>();
  readonly #installing = new Map<RuntimeName, Installing>();

  constructor(options: RuntimeStoreOptions) {
    this.#options = options;
  }

  /** Returns the state of a runtime without installing it. `missing` means that it can be installed. */
  async state(runtime: RuntimeName): Promise<'ready' | 'missing' | 'unavailable'> {
    if (await this.#find(runtime)) return 'ready';
    const packs = await findPacks(this.#options.runtimesDir);
    return packs.length > 0 || (await this.#options.npm()) ? 'missing' : 'unavailable';
  }

  /**
   * Returns the folders of a runtime's packages and installs them if needed. Concurrent callers share one installation.
   * @throws Error with a sentence for the user; the signal's reason if it aborts
   */
  async get(runtime: RuntimeName, progress: Progress, signal: AbortSignal): Promise<RuntimeFolders> {
    const found = await this.#find(runtime);
    if (found) return found;
    let installing = this.#installing.get(runtime);
    if (!installing) {
      installing = new Installing((onProgress, abort) => this.#install(runtime, onProgress, abort));
      this.#installing.set(runtime, installing);
      const forget = () => this.#installing.delete(runtime);
      installing.done.then(forget, forget);
    }
    return installing.join(progress, signal);
  }

  /** Returns the message for a runtime that is neither installed nor installable on this machine. */
  missing(runtime: RuntimeName): string {
    const { title, downloadMb } = runtimes[runtime];
    return `${title} is not installed, and DevLM cannot download it (${downloadMb} MB) because npm was not found. Install Node.js with npm, put a runtimes pack (built with "npm run package:runtimes") into ${this.#options.runtimesDir}, or install Docker.`;
  }

  /**
   * Returns the file with the memory snapshot of a started interpreter, which is created once for each version.
   * @param make creates the snapshot
   */
  async snapshot(runtime: RuntimeName, make: () => Promise<Uint8Array>): Promise<string> {
    const file = join(this.#options.runtimesDir, 'snapshots', `${folderOf(runtime)}-${driverHash}.bin`);
    if (await stat(file).catch(() => null)) return file;
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const temporaryFile = `${file}.${process.pid}`;
    try {
      await writeFile(temporaryFile, await make(), { mode: 0o600 });
      await rename(temporaryFile, file);
    } finally {
      await rm(temporaryFile, { force: true });
    }
    return file;
  }

  async #find(runtime: RuntimeName): Promise<RuntimeFolders | null> {
    const known = this.#found.get(runtime);
    if (known) return known;
    const { repository, runtimesDir } = this.#options;
    const inRepository = repository === null ? null : await findInNodeModules(runtime, repository);
    const found = inRepository ?? (await findInstalled(runtime, runtimesDir));
    if (found) this.#found.set(runtime, found);
    return found;
  }

  async #install(runtime: RuntimeName, progress: Progress, signal: AbortSignal): Promise<RuntimeFolders> {
    const { runtimesDir } = this.#options;
    for (const pack of await findPacks(runtimesDir)) {
      progress(`Installing ${runtimes[runtime].title} from the runtimes pack (only once)`, null);
      const folders = await installFromPack(runtime, runtimesDir, pack);
      if (folders) return folders;
    }
    const npm = await this.#options.npm();
    if (!npm) throw new Error(this.missing(runtime));
    return installWithNpm(runtime, runtimesDir, npm, progress, signal);
  }
}

const driverHash = sha256Hex(pythonDriver).slice(0, 12);

/** An installation that several callers share. It is aborted when no caller waits for it any more. */
class Installing {
  readonly done: Promise<RuntimeFolders>;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<Progress>();
  #last: Parameters<Progress> | null = null;

  constructor(start: (progress: Progress, signal: AbortSignal) => Promise<RuntimeFolders>) {
    const onProgress: Progress = (message, fraction) => {
      this.#last = [message, fraction];
      for (const listener of this.#listeners) listener(message, fraction);
    };
    this.done = start(onProgress, this.#abort.signal);
    this.done.catch(() => {});
  }

  async join(progress: Progress, signal: AbortSignal): Promise<RuntimeFolders> {
    signal.throwIfAborted();
    this.#listeners.add(progress);
    if (this.#last) progress(...this.#last);
    try {
      return await untilAborted(this.done, signal);
    } finally {
      this.#listeners.delete(progress);
      if (this.#listeners.size === 0) this.#abort.abort(new Error('no caller waits for the installation'));
    }
  }
}

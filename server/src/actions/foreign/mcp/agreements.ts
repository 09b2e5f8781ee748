import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

/** Maximum number of stored agreements. The oldest are dropped first, so that the user is asked about them again. */
const maxAgreements = 1_000;
const Stored = z.array(z.string().regex(/^[0-9a-f]{64}$/));

/**
 * The configurations of workspaces' MCP servers that the user has agreed to start, by hash. They are stored in a file
 * in the data folder of the user, where no workspace can write.
 */
export class Agreements {
  readonly #file: string;

  constructor(dataDir: string) {
    this.#file = join(dataDir, 'mcp-agreed.json');
  }

  /** Returns whether the user has agreed to a configuration. */
  has(hash: string): boolean {
    return this.#read().includes(hash);
  }

  /** Stores an agreement. */
  add(hash: string): void {
    const hashes = [...new Set([...this.#read(), hash])].slice(-maxAgreements);
    const next = `${this.#file}.new`;
    writeFileSync(next, JSON.stringify(hashes), { mode: 0o600 });
    renameSync(next, this.#file);
  }

  #read(): string[] {
    if (!existsSync(this.#file)) return [];
    try {
      return Stored.parse(JSON.parse(readFileSync(this.#file, 'utf8')));
    } catch {
      // A damaged file counts as empty: the user is asked again.
      return [];
    }
  }
}

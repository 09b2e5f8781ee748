import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

/** The oldest are forgotten, and asked about again. */
const maxAgreements = 1_000;
const Stored = z.array(z.string().regex(/^[0-9a-f]{64}$/));

/**
 * The configurations of workspaces' MCP servers that the person has agreed to start, by hash: in a file of
 * this user's data folder, where no workspace can write.
 */
export class Agreements {
  readonly #file: string;

  constructor(dataDir: string) {
    this.#file = join(dataDir, 'mcp-agreed.json');
  }

  has(hash: string): boolean {
    return this.#read().includes(hash);
  }

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
      // Damaged: it is asked again.
      return [];
    }
  }
}

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Claude, type ClaudeOptions, startClaude } from './claude/server.ts';
import { TestServer } from './server.ts';

/** Server with several stand-ins for Claude as its instances, named `i0`, `i1` and so on. */
export class PoolServer implements AsyncDisposable {
  readonly claudes: readonly Claude[];
  readonly server: TestServer;
  readonly #dataDir: string;

  private constructor(claudes: readonly Claude[], server: TestServer, dataDir: string) {
    this.claudes = claudes;
    this.server = server;
    this.#dataDir = dataDir;
  }

  static async start(
    count: number,
    options: {
      /** Returns further settings of an instance, in addition to its id, address and key. */
      readonly instance?: (index: number) => object;
      readonly claude?: ClaudeOptions;
      readonly env?: Readonly<Record<string, string>>;
      readonly config?: object;
      readonly bundle?: string;
    } = {},
  ): Promise<PoolServer> {
    const claudes = await Promise.all(
      Array.from({ length: count }, (_, index) => startClaude({ apiKeys: [keyOf(index)], ...options.claude })),
    );
    const dataDir = mkdtempSync(join(tmpdir(), 'devlm-pool-'));
    const instances = claudes.map(({ url }, index) => ({
      id: `i${index}`,
      baseUrl: url,
      apiKey: keyOf(index),
      ...options.instance?.(index),
    }));
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ instances, ...options.config }));
    const server = await TestServer.start({
      dataDir,
      ...(options.bundle ? { bundle: options.bundle } : {}),
      env: { ANTHROPIC_API_KEY: '', ...options.env },
    });
    return new PoolServer(claudes, server, dataDir);
  }

  /** Returns the stand-in of an instance. */
  claude(index: number): Claude {
    const found = this.claudes[index];
    if (!found) throw new Error(`there is no stand-in ${index}`);
    return found;
  }

  /** Number of requests for messages to each stand-in. */
  get counts(): number[] {
    return this.claudes.map(({ messages }) => messages.length);
  }

  reset(): void {
    for (const claude of this.claudes) claude.reset();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await Promise.all(this.claudes.map((claude) => claude[Symbol.asyncDispose]()));
    rmSync(this.#dataDir, { recursive: true, force: true });
  }
}

/** Returns the API key of an instance. */
const keyOf = (index: number): string => `sk-test-instance-${index}-0123456789`;

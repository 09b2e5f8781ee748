import { createHash } from 'node:crypto';
import type { Artifact } from '@devlm/protocol/execution.ts';
import { limits } from '@devlm/protocol/limits.ts';
import tar from 'tar-stream';

/** How a program ended, as the first process of its container says. Null where it could not tell. */
export interface Ending {
  readonly exitCode: number;
  readonly oomKills: number | null;
  /** Nanoseconds since the container started. */
  readonly cpuNs: number | null;
  readonly peakMemoryBytes: number | null;
  /** An archive of `/sandbox/out` follows. */
  readonly hasArtifacts: boolean;
}

/** `code oom cpu peak out`; null when it is something else. */
export function parseEnding(line: string): Ending | null {
  const match = /^(\d{1,3}) (\d+|-) (\d+|-) (\d+|-) (tar|-)$/.exec(line);
  if (!match) return null;
  const count = (text: string | undefined) => (text === undefined || text === '-' ? null : Number(text));
  return {
    exitCode: Number(match[1]),
    oomKills: count(match[2]),
    cpuNs: count(match[3]),
    peakMemoryBytes: count(match[4]),
    hasArtifacts: match[5] === 'tar',
  };
}

/** Passes on what comes before a mark, however it is cut into chunks, and hands over what comes after. */
export class MarkFilter {
  readonly #mark: Buffer;
  readonly #before: (bytes: Buffer) => void;
  readonly #after: (bytes: Buffer) => void;
  #held: Buffer = Buffer.alloc(0);
  #found = false;

  constructor(mark: Buffer, before: (bytes: Buffer) => void, after: (bytes: Buffer) => void) {
    this.#mark = mark;
    this.#before = before;
    this.#after = after;
  }

  write(chunk: Buffer): void {
    if (this.#found) {
      this.#after(chunk);
      return;
    }
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    const at = bytes.indexOf(this.#mark);
    if (at >= 0) {
      this.#found = true;
      this.#held = Buffer.alloc(0);
      if (at > 0) this.#before(bytes.subarray(0, at));
      this.#after(bytes.subarray(at + this.#mark.length));
      return;
    }
    // Only what may be the beginning of the mark waits for more.
    const start = bytes.lastIndexOf(this.#mark[0] ?? 0);
    let keep = bytes.length;
    for (let i = Math.max(0, bytes.length - this.#mark.length + 1); start >= 0 && i < bytes.length; i++) {
      if (this.#mark.subarray(0, bytes.length - i).equals(bytes.subarray(i))) {
        keep = i;
        break;
      }
    }
    this.#held = Buffer.from(bytes.subarray(keep));
    if (keep > 0) this.#before(bytes.subarray(0, keep));
  }

  /** Nothing more comes: what was held was no mark. */
  end(): void {
    if (!this.#found && this.#held.length > 0) this.#before(this.#held);
    this.#held = Buffer.alloc(0);
  }
}

/** Reads an archive that a program could have made as it liked: regular files only, within bounds. */
export class ArtifactReader {
  readonly artifacts: Artifact[] = [];
  /** More was there than is kept. */
  truncated = false;
  /** Settles when the archive has ended, is broken, or holds more than is kept. */
  readonly done: Promise<void>;
  readonly #extract = tar.extract();
  readonly #settle: () => void;
  #bytes = 0;
  #fed = 0;
  #settled = false;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#settle = () => {
      this.#settled = true;
      resolve();
    };
    this.#extract.on('entry', (header, stream, next) => {
      const path = header.name.replace(/^(\.\/)+/, '');
      const size = header.size ?? 0;
      // Where the archive is cut in the middle of a file, that one fails as well as the archive.
      stream.on('error', () => this.stop());
      if (header.type !== 'file' || !isPlain(path)) {
        stream.on('end', next).resume();
        return;
      }
      if (this.artifacts.length >= limits.executionArtifacts || this.#bytes + size > limits.executionArtifactBytes) {
        this.truncated = true;
        stream.on('end', next).resume();
        return;
      }
      const parts: Buffer[] = [];
      stream.on('data', (part) => {
        if (part instanceof Buffer) parts.push(part);
      });
      stream.on('end', () => {
        const data = Buffer.concat(parts);
        this.#bytes += data.length;
        const sha256 = createHash('sha256').update(data).digest('hex');
        this.artifacts.push({ path, bytes: data.length, sha256, data: data.toString('base64') });
        next();
      });
    });
    this.#extract.on('error', () => this.stop());
    this.#extract.on('finish', () => this.#settle());
    this.#extract.on('close', () => this.#settle());
  }

  write(bytes: Buffer): void {
    this.#fed += bytes.length;
    this.#extract.write(bytes);
    // Four times what is kept: whoever writes more does not make the server read it all.
    if (this.#fed > 4 * limits.executionArtifactBytes) this.stop();
  }

  end(): void {
    if (this.#fed === 0) this.truncated = true;
    this.#extract.end(undefined);
  }

  /** No more is read. */
  stop(): void {
    if (!this.#settled) this.truncated = true;
    this.#settle();
    this.#extract.destroy(null);
  }
}

function isPlain(path: string): boolean {
  return (
    path !== '' &&
    path.length <= 4096 &&
    !path.includes('\0') &&
    path.split('/').every((name) => name !== '' && name !== '.' && name !== '..')
  );
}

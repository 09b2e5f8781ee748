import type { Artifact } from '@devlm/protocol/execution.ts';
import { limits } from '@devlm/protocol/limits.ts';
import tar from 'tar-stream';
import { sha256Hex } from '../../sha256.ts';

/** Report of the first process of a container on how the program ended. A value is null if it could not be read. */
export interface EndReport {
  readonly exitCode: number;
  /** Number of processes that the kernel killed for lack of memory. */
  readonly oomKills: number | null;
  /** Processor time since the container started, in nanoseconds. */
  readonly cpuNs: number | null;
  readonly peakMemoryBytes: number | null;
  /** Whether an archive of `/sandbox/out` follows. */
  readonly hasArtifacts: boolean;
}

/** Parses a line of the form `code oom cpu peak out`. Returns null if it has a different form. */
export function parseEndReport(line: string): EndReport | null {
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

/** Splits a stream at a mark, however the stream is cut into chunks. */
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

  /** Takes the next chunk of the stream. */
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
    // Hold back only bytes that may be the beginning of the mark.
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

  /** Ends the stream. Bytes that were held back are passed on, because they turned out not to be a mark. */
  end(): void {
    if (!this.#found && this.#held.length > 0) this.#before(this.#held);
    this.#held = Buffer.alloc(0);
  }
}

/** Reads an untrusted archive of artifacts. It keeps regular files only, up to the limits. */
export class ArtifactReader {
  readonly artifacts: Artifact[] = [];
  /** Whether the archive held more than was kept. */
  truncated = false;
  /** Settles when the archive has ended, is invalid, or exceeds the limits. */
  readonly done: Promise<void>;
  readonly #extract = tar.extract();
  readonly #settle: () => void;
  #bytes = 0;
  #receivedBytes = 0;
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
      // If the archive is cut in the middle of a file, both the file's stream and the archive fail.
      stream.on('error', () => this.stop());
      if (header.type !== 'file' || !isSafePath(path)) {
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
        const sha256 = sha256Hex(data);
        this.artifacts.push({ path, bytes: data.length, sha256, data: data.toString('base64') });
        next();
      });
    });
    this.#extract.on('error', () => this.stop());
    this.#extract.on('finish', () => this.#settle());
    this.#extract.on('close', () => this.#settle());
  }

  /** Takes the next bytes of the archive. */
  write(bytes: Buffer): void {
    this.#receivedBytes += bytes.length;
    this.#extract.write(bytes);
    // Stop at four times the limit, so that a program cannot make the server read without end.
    if (this.#receivedBytes > 4 * limits.executionArtifactBytes) this.stop();
  }

  /** Ends the archive. */
  end(): void {
    if (this.#receivedBytes === 0) this.truncated = true;
    this.#extract.end(undefined);
  }

  /** Stops reading. */
  stop(): void {
    if (!this.#settled) this.truncated = true;
    this.#settle();
    this.#extract.destroy(null);
  }
}

function isSafePath(path: string): boolean {
  return (
    path !== '' &&
    path.length <= 4096 &&
    !path.includes('\0') &&
    path.split('/').every((name) => name !== '' && name !== '.' && name !== '..')
  );
}

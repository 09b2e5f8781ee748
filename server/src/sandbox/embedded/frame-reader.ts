import { limits } from '@devlm/protocol/limits.ts';
import { type FrameKind, frameHeadBytes, frameKinds, outputFrameBytes } from './child/frames.ts';

/** Receiver of a child's frames. */
export interface FrameListener {
  ready(value: unknown): void;
  snapshot(data: Uint8Array): void;
  output(stream: 'stdout' | 'stderr', data: Uint8Array): void;
  artifact(head: unknown, data: Uint8Array): void;
  ended(value: unknown): void;
}

/** Maximum size of a JSON value in a frame, in bytes. */
const maxJsonBytes = 4096;
/** Maximum size of a snapshot, in bytes. */
const maxSnapshotBytes = 256 * 1024 * 1024;

/**
 * Reads frames from a child's output. It checks their format, size and order; the listener checks their content.
 */
export class FrameReader {
  readonly #listener: FrameListener;
  /** Whether the child creates a snapshot. Such a child runs no program and sends nothing else. */
  readonly #makesSnapshot: boolean;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #state: 'starting' | 'ready' | 'ended' = 'starting';
  #artifacts = 0;

  constructor(makesSnapshot: boolean, listener: FrameListener) {
    this.#makesSnapshot = makesSnapshot;
    this.#listener = listener;
  }

  /**
   * Takes the next bytes.
   * @throws Error on an invalid frame
   */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes >= frameHeadBytes) {
      const head = this.#peek(frameHeadBytes);
      const kind = head.readUInt8();
      const length = head.readUInt32LE(1);
      this.#check(kind, length);
      if (this.#bytes < frameHeadBytes + length) return;
      this.#take(frameHeadBytes);
      this.#handle(kind as FrameKind, this.#take(length));
    }
  }

  #check(kind: number, length: number): void {
    const { ready, stdout, stderr, artifact, ended, snapshot } = frameKinds;
    const expected: readonly number[] =
      this.#state === 'starting'
        ? [this.#makesSnapshot ? snapshot : ready]
        : this.#state === 'ready'
          ? [stdout, stderr, artifact, ended]
          : [];
    if (!expected.includes(kind)) throw new Error(`unexpected frame ${kind}`);
    const maxLength =
      kind === snapshot
        ? maxSnapshotBytes
        : kind === artifact
          ? limits.executionArtifactBytes + maxJsonBytes
          : kind === ready || kind === ended
            ? maxJsonBytes
            : outputFrameBytes;
    // Empty frames cost their sender nothing and could be sent without end.
    if (length === 0 || length > maxLength) throw new Error(`frame ${kind} of ${length} bytes`);
    if (kind === artifact && this.#artifacts++ >= limits.executionArtifacts) throw new Error('too many artifacts');
  }

  #handle(kind: FrameKind, data: Buffer): void {
    if (kind === frameKinds.stdout) this.#listener.output('stdout', data);
    else if (kind === frameKinds.stderr) this.#listener.output('stderr', data);
    else if (kind === frameKinds.artifact) {
      const headEnd = 4 + (data.length >= 4 ? data.readUInt32LE() : data.length);
      if (headEnd > data.length) throw new Error('an artifact without a name');
      this.#listener.artifact(JSON.parse(data.toString('utf8', 4, headEnd)), data.subarray(headEnd));
    } else if (kind === frameKinds.snapshot) {
      this.#state = 'ended';
      this.#listener.snapshot(data);
    } else if (kind === frameKinds.ready) {
      this.#state = 'ready';
      this.#listener.ready(JSON.parse(data.toString()));
    } else {
      this.#state = 'ended';
      this.#listener.ended(JSON.parse(data.toString()));
    }
  }

  #peek(bytes: number): Buffer {
    const first = this.#chunks[0];
    if (first && first.length >= bytes) return first.subarray(0, bytes);
    this.#chunks = [Buffer.concat(this.#chunks)];
    return (this.#chunks[0] ?? Buffer.alloc(0)).subarray(0, bytes);
  }

  #take(bytes: number): Buffer {
    const data = this.#peek(bytes);
    const first = this.#chunks[0] ?? Buffer.alloc(0);
    this.#bytes -= bytes;
    if (first.length === bytes) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(bytes);
    return data;
  }
}

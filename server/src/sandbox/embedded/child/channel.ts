import { readSync, writeSync } from 'node:fs';
import { type FrameKind, frameHeadBytes, type frameKinds, type JobHead, outputFrameBytes } from './frames.ts';

/** A job with the contents of its files and its input. */
export interface GuestJob extends JobHead {
  readonly contents: ReadonlyMap<string, Uint8Array>;
  readonly stdin: Uint8Array;
}

const sleepCell = new Int32Array(new SharedArrayBuffer(4));

/** Blocks the thread for a time, in milliseconds, without using the processor. */
export function sleep(ms: number): void {
  if (ms > 0) Atomics.wait(sleepCell, 0, 0, ms);
}

/** Reads the job from standard input. Exits the process if the server closes the pipe. */
export function readJob(): GuestJob {
  const head: JobHead = JSON.parse(Buffer.from(read(read(4).readUInt32LE())).toString());
  const contents = new Map(head.files.map(({ path, bytes }) => [path, read(bytes)]));
  return { ...head, contents, stdin: read(head.stdinBytes) };
}

/** Writes a frame to standard output. */
export function send(kind: FrameKind, ...parts: readonly Uint8Array[]): void {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  const head = Buffer.alloc(frameHeadBytes);
  head.writeUInt8(kind);
  head.writeUInt32LE(bytes, 1);
  // A small frame is a single write, so that it is sent whole or not at all.
  if (bytes <= outputFrameBytes) write(Buffer.concat([head, ...parts]));
  else for (const part of [head, ...parts]) write(part);
}

/** Sends output of the program, in frames of at most the size that the server accepts. */
export function sendOutput(kind: typeof frameKinds.stdout | typeof frameKinds.stderr, data: Uint8Array): void {
  for (let at = 0; at < data.length; at += outputFrameBytes) send(kind, data.subarray(at, at + outputFrameBytes));
}

/** Sends a frame with a JSON value. */
export function sendJson(kind: FrameKind, value: unknown): void {
  send(kind, Buffer.from(JSON.stringify(value)));
}

function read(bytes: number): Buffer {
  const data = Buffer.allocUnsafe(bytes);
  for (let at = 0; at < bytes; ) {
    const got = retry(() => readSync(0, data, at, bytes - at, null));
    if (got === 0) process.exit(0);
    at += got;
  }
  return data;
}

function write(data: Uint8Array): void {
  for (let at = 0; at < data.length; ) at += retry(() => writeSync(1, data, at, data.length - at));
}

/** Calls a function until it does not fail with EAGAIN, which non-blocking pipes return. */
function retry(act: () => number): number {
  for (;;) {
    try {
      return act();
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : '';
      // Windows reports the end of a pipe as an error.
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      sleep(1);
    }
  }
}

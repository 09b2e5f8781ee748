import { readSync, writeSync } from 'node:fs';
import { type FrameKind, frameHeadBytes, type frameKinds, type JobHead, outputFrameBytes } from './frames.ts';

/** A job as the child has it. */
export interface GuestJob extends JobHead {
  readonly contents: ReadonlyMap<string, Uint8Array>;
  readonly stdin: Uint8Array;
}

const nap = new Int32Array(new SharedArrayBuffer(4));

/** Waits without turning the processor. */
export function sleep(ms: number): void {
  if (ms > 0) Atomics.wait(nap, 0, 0, ms);
}

/** Waits for the job. Ends the process when the server has closed the pipe instead. */
export function readJob(): GuestJob {
  const head: JobHead = JSON.parse(Buffer.from(read(read(4).readUInt32LE())).toString());
  const contents = new Map(head.files.map(({ path, bytes }) => [path, read(bytes)]));
  return { ...head, contents, stdin: read(head.stdinBytes) };
}

export function send(kind: FrameKind, ...parts: readonly Uint8Array[]): void {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  const head = Buffer.alloc(frameHeadBytes);
  head.writeUInt8(kind);
  head.writeUInt32LE(bytes, 1);
  // In one write where it is small: it goes out whole or not at all.
  if (bytes <= outputFrameBytes) write(Buffer.concat([head, ...parts]));
  else for (const part of [head, ...parts]) write(part);
}

/** What a program prints, in frames of the size that the server takes. */
export function sendOutput(kind: typeof frameKinds.stdout | typeof frameKinds.stderr, data: Uint8Array): void {
  for (let at = 0; at < data.length; at += outputFrameBytes) send(kind, data.subarray(at, at + outputFrameBytes));
}

export function sendJson(kind: FrameKind, value: unknown): void {
  send(kind, Buffer.from(JSON.stringify(value)));
}

function read(bytes: number): Buffer {
  const data = Buffer.allocUnsafe(bytes);
  for (let at = 0; at < bytes; ) {
    const got = again(() => readSync(0, data, at, bytes - at, null));
    if (got === 0) process.exit(0);
    at += got;
  }
  return data;
}

function write(data: Uint8Array): void {
  for (let at = 0; at < data.length; ) at += again(() => writeSync(1, data, at, data.length - at));
}

/** Pipes that do not block answer EAGAIN. */
function again(act: () => number): number {
  for (;;) {
    try {
      return act();
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : '';
      // Windows ends a pipe by an error.
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      sleep(1);
    }
  }
}

import { writeSync } from 'node:fs';
import { readJob, send, sendJson } from './channel.ts';
import { type ArtifactHead, type ChildSettings, type EndedFrame, frameKinds, type ReadyFrame } from './frames.ts';
import { lockDown } from './lock-down.ts';
import { createPython, makePythonSnapshot } from './python.ts';
import { createQuickjs } from './quickjs.ts';
import { createRuby } from './ruby.ts';
import type { Runtime } from './runtime.ts';

/*
 * Main program of a child. It loads an interpreter, waits for one job, runs it and exits. It imports only Node modules
 * and the runtime's packages, and starts in a process without permissions (see wall.ts).
 */

const settings: ChildSettings = JSON.parse(process.argv[2] ?? '');

/**
 * Returns the path of a file in a package.
 * @throws Error if the package is not part of the runtime
 */
function packageFile(name: string, path: string): string {
  const folder = settings.packages[name];
  if (folder === undefined) throw new Error(`${name} is not one of the packages`);
  return `${folder}/${path}`;
}

async function main(): Promise<void> {
  const networkDenied = lockDown();
  if (settings.runtime === 'python' && settings.snapshot === null) {
    send(frameKinds.snapshot, await makePythonSnapshot(packageFile));
    return;
  }
  const runtime = await createRuntime();
  sendJson(frameKinds.ready, { version: runtime.version, networkDenied } satisfies ReadyFrame);
  const job = readJob();
  const before = process.cpuUsage();
  const ending = await runtime.run(job);
  const cpu = process.cpuUsage(before);
  const artifactsTruncated = sendArtifacts(runtime, job.limits.artifacts, job.limits.artifactBytes);
  sendJson(frameKinds.ended, {
    ...ending,
    artifactsTruncated,
    cpuMs: (cpu.user + cpu.system) / 1000,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
  } satisfies EndedFrame);
}

function createRuntime(): Promise<Runtime> {
  if (settings.runtime === 'python') return createPython(packageFile, settings.snapshot ?? '');
  if (settings.runtime === 'ruby') return createRuby(packageFile);
  return createQuickjs(settings.guest, settings.typescript, packageFile);
}

/** Sends the artifacts up to a number and total size. Returns whether some were left out. */
function sendArtifacts(runtime: Runtime, count: number, bytes: number): boolean {
  let remainingBytes = bytes;
  let sent = 0;
  let truncated = false;
  for (const [path, data] of runtime.artifacts()) {
    if (sent === count || data.length > remainingBytes) {
      truncated = true;
      continue;
    }
    const head = Buffer.from(JSON.stringify({ path } satisfies ArtifactHead));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(head.length);
    send(frameKinds.artifact, length, head, data);
    remainingBytes -= data.length;
    sent++;
  }
  return truncated;
}

try {
  await main();
} catch (error) {
  // Node itself would also print the failing line of the bundle, which can be a megabyte long.
  writeSync(2, String(error instanceof Error ? error.stack : error).slice(0, 4000));
  process.exit(70);
}
// Timers and other handles that a program left must not keep the child alive.
process.exit(0);

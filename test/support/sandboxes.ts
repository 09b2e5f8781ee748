import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExecutionRequest, type Language, outputOf } from '@devlm/protocol/execution.ts';
import { pino } from 'pino';
import { expect } from 'vitest';
import type * as z from 'zod';
import { onPath } from '../../scripts/machine.ts';
import { dialPublic } from '../../server/src/actions/web/dial.ts';
import { createDockerSandbox } from '../../server/src/sandbox/docker/docker.ts';
import type { Dial } from '../../server/src/sandbox/docker/proxy.ts';
import { createEmbeddedSandbox } from '../../server/src/sandbox/embedded/embedded.ts';
import { prepareJob } from '../../server/src/sandbox/job.ts';
import type { RunEvent, RunResult, Sandbox } from '../../server/src/sandbox/sandbox.ts';
import { isDeep } from './deep.ts';
import { dockerEngine, givenEngine, startDockerEngine } from './docker-engine.ts';
import { importImages, leftoversOf } from './docker-leftovers.ts';

const withGvisor = isDeep && onPath('runsc') !== null;
/** Adapters of the sandbox port, and in a deep run Docker with gVisor's runtime if it is installed. */
export const sandboxKinds = ['docker', ...(withGvisor ? (['gvisor'] as const) : []), 'embedded'] as const;
/** A kind of sandbox that the contract suite covers. */
export type SandboxKind = 'docker' | 'gvisor' | 'embedded';

/** Languages for which the test machine has an image. */
export const imaged = ['python', 'javascript', 'typescript', 'go', 'ruby', 'bash', 'c'] as const satisfies Language[];

/** An open sandbox, with access to its engine. */
export interface OpenSandbox extends AsyncDisposable {
  readonly sandbox: Sandbox;
  /** Address of the Docker engine. Null for the embedded one. */
  readonly host: string | null;
  /** Returns the names of our containers, volumes and networks that still exist in the engine. */
  leftovers(): Promise<string[]>;
}

interface OpenOptions {
  /** Whether to use a Docker engine that no other test uses. */
  readonly own?: boolean;
  /** Opens connections to allowed hosts. Default: as on a server. */
  readonly dial?: Dial;
}

/**
 * Opens a sandbox with its engine.
 * @param languages that it has to have images of
 */
export async function openSandbox(
  kind: SandboxKind,
  languages: readonly Language[],
  options: OpenOptions = {},
): Promise<OpenSandbox> {
  return kind === 'embedded' ? openEmbedded() : openDocker(kind, languages, options);
}

async function openEmbedded(): Promise<OpenSandbox> {
  const runtimesDir = mkdtempSync(join(tmpdir(), 'devlm-runtimes-'));
  const sandbox = createEmbeddedSandbox({ runtimesDir, logger, concurrency: 2 });
  return {
    sandbox,
    host: null,
    leftovers: async () => [],
    async [Symbol.asyncDispose]() {
      await sandbox.close();
      rmSync(runtimesDir, { recursive: true, force: true });
    },
  };
}

/** Input of a request: fields with defaults and the id may be missing. */
export type Program = Omit<z.input<typeof ExecutionRequest>, 'id'>;

/** Result and events of a run. */
export interface Ran {
  readonly result: RunResult;
  readonly events: readonly RunEvent[];
  /** Time from the call to the result, in milliseconds. */
  readonly tookMs: number;
  /** Names of the output streams, in the order of the output. */
  readonly order: readonly string[];
}

const logger = pino({ level: process.env['DEVLM_TEST_LOG'] ?? 'silent' });

async function openDocker(
  kind: 'docker' | 'gvisor',
  languages: readonly Language[],
  options: OpenOptions,
): Promise<OpenSandbox> {
  const mine = options.own && (await givenEngine()) === null ? await startDockerEngine() : null;
  const engine = mine ?? (await dockerEngine());
  const images = mine ? await importImages(mine.host, languages) : (await dockerEngine(languages)).images;
  const runtime = kind === 'gvisor' ? 'runsc' : undefined;
  const sandbox = createDockerSandbox({
    host: engine.host,
    runtime,
    images,
    serverId: randomUUID(),
    warm: { min: 0, max: 2 },
    dial: options.dial ?? dialPublic,
    logger,
  });
  await sandbox.prepare();
  return {
    sandbox,
    host: engine.host,
    leftovers: () => leftoversOf(engine.host),
    async [Symbol.asyncDispose]() {
      await sandbox.close();
      await mine?.[Symbol.asyncDispose]();
    },
  };
}
let runs = 0;

/**
 * Runs a program as a request would, and checks the invariants of every run on every engine.
 * @param hear also receives the events, for tests that act on them
 */
export async function runProgram(
  sandbox: Sandbox,
  program: Program,
  options: { signal?: AbortSignal; hear?: (event: RunEvent) => void } = {},
): Promise<Ran> {
  const request = ExecutionRequest.parse({ ...program, id: `run-${process.pid}-${++runs}` });
  const { job } = prepareJob(request, { memoryMb: 2048, cpus: 4, wallMs: 300_000 });
  const events: RunEvent[] = [];
  const start = performance.now();
  const result = await sandbox.run(job, options.signal ?? new AbortController().signal, (event) => {
    events.push(event);
    options.hear?.(event);
  });
  const tookMs = performance.now() - start;
  // The failed expectation of the test would only show the status, not the reason.
  if (result.status === 'engine-error') console.log(`engine-error: ${result.message}`);
  checkRecord(result, events, job.limits.outputBytes);
  return { result, events, tookMs, order: result.order.map(({ stream }) => stream) };
}

/** Checks that the record equals the events, is within its limits, and has one unambiguous status. */
function checkRecord(result: RunResult, events: readonly RunEvent[], outputBytes: number): void {
  for (const stream of ['stdout', 'stderr'] as const) {
    const heard = events.filter((event) => event.type === 'output' && event.stream === stream);
    expect(heard.map((event) => (event.type === 'output' ? event.text : '')).join('')).toBe(result[stream]);
    const told = outputOf(result).filter((part) => part.stream === stream);
    expect(told.map(({ text }) => text).join('')).toBe(result[stream]);
  }
  const types = events.map(({ type }) => type);
  expect(types.filter((type) => type === 'started').length).toBeLessThanOrEqual(1);
  if (types.includes('output')) expect(types.indexOf('started')).toBeLessThan(types.indexOf('output'));
  expect(types.lastIndexOf('preparing')).toBeLessThanOrEqual(
    types.includes('started') ? types.indexOf('started') : Infinity,
  );
  if (result.status === 'ok') expect(result).toMatchObject({ exitCode: 0, signal: null });
  if (result.status === 'failed') expect(result.exitCode).toBeGreaterThan(0);
  if (['timeout', 'output-limit', 'cancelled', 'engine-error'].includes(result.status))
    expect(result.exitCode).toBeNull();
  if (result.status === 'engine-error') expect(result.message).toMatch(/^.{10,}\.$/s);
  if (result.status === 'output-limit') expect(result.truncated.stdout || result.truncated.stderr).toBe(true);
  // A byte that is not UTF-8 becomes a character of three bytes.
  expect(result.stdout.length + result.stderr.length).toBeLessThanOrEqual(outputBytes);
  for (const { path, data, bytes, sha256 } of result.artifacts) {
    const content = Buffer.from(data, 'base64');
    expect({ path, bytes: content.length }).toEqual({ path, bytes });
    expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
    expect(path).not.toMatch(/^\/|(^|\/)\.\.(\/|$)/);
  }
}

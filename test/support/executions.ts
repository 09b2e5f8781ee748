import { type ExecutionRecord, ExecutionRequest, type Snippet } from '@devlm/protocol/execution.ts';
import type * as z from 'zod';
import { prepareJob } from '../../server/src/sandbox/job.ts';
import type { Job } from '../../server/src/sandbox/sandbox.ts';

/** Maximum limits that a test server allows. */
export const caps = { memoryMb: 2048, cpus: 4, wallMs: 60_000 };

type RequestFields = Partial<z.input<typeof ExecutionRequest>>;

/** Returns a request that its schema has parsed. Default: a Python program that prints "hello". */
export function executionRequest(fields: RequestFields = {}): ExecutionRequest {
  const source = fields.files || fields.command ? {} : { source: 'print("hello")' };
  return ExecutionRequest.parse({ id: crypto.randomUUID(), language: 'python', ...source, ...fields });
}

/** Returns the job of a request. */
export function job(fields: RequestFields = {}): Job {
  return prepareJob(executionRequest(fields), caps).job;
}

/** Returns a record as an engine could have created it, with its program. */
export function executed(
  fields: RequestFields = {},
  result: Partial<ExecutionRecord> = {},
): { record: ExecutionRecord; snippet: Snippet } {
  const request = executionRequest(fields);
  const { job, inputs, inputHash, programHash, snippet } = prepareJob(request, caps);
  const record: ExecutionRecord = {
    id: request.id,
    status: 'ok',
    exitCode: 0,
    signal: null,
    message: null,
    language: request.language,
    command: snippet.command,
    stdout: 'hello\n',
    stderr: '',
    order: [{ stream: 'stdout', chars: 6 }],
    truncated: { stdout: false, stderr: false },
    artifacts: [],
    artifactsTruncated: false,
    limits: job.limits,
    queuedMs: 0,
    wallMs: 12.5,
    cpuMs: 10,
    peakMemoryBytes: 9_000_000,
    engine: { kind: 'docker', runtime: 'runc', networkCut: true, warm: true },
    image: { name: 'python', digest: `sha256:${'0'.repeat(64)}` },
    inputHash,
    programHash,
    inputs,
    startedAt: '2026-01-01T00:00:00.000Z',
    endedAt: '2026-01-01T00:00:01.000Z',
    origin: request.origin ?? null,
    reusedFrom: null,
    ...result,
  };
  return { record, snippet };
}

import { type ExecutionRecord, ExecutionRequest, type Snippet } from '@devlm/protocol/execution.ts';
import type * as z from 'zod';
import { prepareJob } from '../../server/src/sandbox/job.ts';
import type { Job } from '../../server/src/sandbox/sandbox.ts';

/** What a test server lets a program ask for. */
export const caps = { memoryMb: 2048, cpus: 4, wallMs: 60_000 };

type Asked = Partial<z.input<typeof ExecutionRequest>>;

/** A request as it arrives after its schema: Python's hello, unless said otherwise. */
export function executionRequest(asked: Asked = {}): ExecutionRequest {
  const source = asked.files || asked.command ? {} : { source: 'print("hello")' };
  return ExecutionRequest.parse({ id: crypto.randomUUID(), language: 'python', ...source, ...asked });
}

export function job(asked: Asked = {}): Job {
  return prepareJob(executionRequest(asked), caps).job;
}

/** A record as an engine could have made it, with its program. */
export function executed(
  asked: Asked = {},
  result: Partial<ExecutionRecord> = {},
): { record: ExecutionRecord; snippet: Snippet } {
  const request = executionRequest(asked);
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

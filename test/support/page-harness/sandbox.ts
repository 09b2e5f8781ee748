import type {
  ExecutionEvent,
  ExecutionRecord,
  ExecutionRequest,
  OutputStream,
  SandboxStatus,
} from '../../../protocol/src/execution.ts';
import type { HostToPage, PageToHost } from '../../../protocol/src/page.ts';

type Execute = Extract<PageToHost, { kind: 'execute' }>;
type Engine = NonNullable<ExecutionRecord['engine']>;

interface KnownRun {
  readonly request: ExecutionRequest;
  readonly events: ExecutionEvent[];
  record: ExecutionRecord | null;
}

const docker: Engine = { kind: 'docker', runtime: 'runc', networkCut: true, warm: true };

/** Plays the sandbox for the page alone: a test says what each run does. */
export class PageSandbox {
  readonly runs = new Map<string, KnownRun>();
  /** What a new run does at once; by default it starts and goes on until the test ends it. */
  plan: (id: string) => void = (id) => this.start(id);
  engine: Engine = docker;
  status: SandboxStatus = { engine: 'docker', message: 'Docker', networkCut: true, languages: [] };
  readonly #push: (message: HostToPage) => void;

  constructor(push: (message: HostToPage) => void) {
    this.#push = push;
  }

  /** The id of the newest run. */
  get last(): string {
    return [...this.runs.keys()].at(-1) ?? '';
  }

  execute({ id, request }: Execute): void {
    const known = this.runs.get(id);
    if (known) this.#push({ kind: 'execution', id, restart: true, events: known.events });
    else if (request) {
      this.runs.set(id, { request, events: [], record: null });
      this.plan(id);
    }
  }

  /** Something is heard of a run. */
  hear(id: string, ...events: ExecutionEvent[]): void {
    const run = this.runs.get(id);
    const restart = run?.events.length === 0;
    run?.events.push(...events);
    this.#push({ kind: 'execution', id, restart, events });
  }

  start(id: string): void {
    this.hear(id, { type: 'started', engine: this.engine });
  }

  print(id: string, text: string, stream: OutputStream = 'stdout'): void {
    this.hear(id, { type: 'output', stream, text });
  }

  /** The end, with the receipt; what is not given is that of a good end. */
  end(id: string, result: Partial<ExecutionRecord> = {}): void {
    const run = this.runs.get(id);
    if (!run || run.record) return;
    run.record = this.record(id, run, result);
    this.hear(id, { type: 'ended', record: { ...run.record, stdout: '', stderr: '', order: [] } });
  }

  /** The server refuses the run. */
  refuse(id: string, code: string, detail: string): void {
    this.#push({ kind: 'execution', id, events: [], problem: { code, status: 409, title: 'Refused', detail } });
  }

  /** Another window has run a program. */
  elsewhere(request: ExecutionRequest, output: string, result: Partial<ExecutionRecord> = {}): void {
    const run: KnownRun = { request, events: [{ type: 'output', stream: 'stdout', text: output }], record: null };
    run.record = this.record(request.id, run, result);
    this.runs.set(request.id, run);
    this.#push({ kind: 'notice', notice: { type: 'execution.ended', record: run.record } });
  }

  /** `executions.list`: the newest run of each part. */
  list(conversationId: string) {
    const byPart = new Map<string, unknown>();
    for (const [id, { request, record }] of this.runs) {
      const { origin } = request;
      if (origin?.conversationId !== conversationId) continue;
      const execution = { id, state: record ? 'ended' : 'running', record };
      byPart.set(`${origin.turnId} ${origin.part}`, { origin, execution });
    }
    return { items: [...byPart.values()] };
  }

  get(id: string) {
    const record = this.runs.get(id)?.record ?? null;
    return { id, state: record ? 'ended' : 'running', record };
  }

  /** `snippets.get`: what the newest run was given. */
  snippet() {
    const request = this.runs.get(this.last)?.request;
    return { language: 'python', entry: null, command: [], files: [], stdin: request?.stdin ?? '' };
  }

  record(id: string, { request, events }: KnownRun, result: Partial<ExecutionRecord>): ExecutionRecord {
    const pieces = events.flatMap((event) => (event.type === 'output' ? [event] : []));
    const text = (stream: OutputStream) => pieces.map((piece) => (piece.stream === stream ? piece.text : '')).join('');
    return {
      id,
      status: 'ok',
      exitCode: result.status === undefined || result.status === 'ok' ? 0 : null,
      signal: null,
      message: null,
      language: request.language,
      command: ['python3', 'main.py'],
      stdout: text('stdout'),
      stderr: text('stderr'),
      order: pieces.map((piece) => ({ stream: piece.stream, chars: piece.text.length })),
      truncated: { stdout: false, stderr: false },
      artifacts: [],
      artifactsTruncated: false,
      limits: { memoryMb: 50, cpus: 0.5, wallMs: 30_000, processes: 64, outputBytes: 1_048_576, fileBytes: 67_108_864 },
      queuedMs: 1,
      wallMs: 42,
      cpuMs: 30,
      peakMemoryBytes: 12_400_000,
      engine: this.engine,
      image: this.engine.kind === 'docker' ? { name: 'python:3.13-slim', digest: `sha256:${'5'.repeat(64)}` } : null,
      inputHash: 'a'.repeat(64),
      programHash: 'b'.repeat(64),
      inputs: [],
      startedAt: new Date().toISOString(),
      endedAt: new Date().toISOString(),
      origin: request.origin ?? null,
      reusedFrom: null,
      ...result,
    };
  }
}

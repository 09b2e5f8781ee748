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

/** Simulates the sandbox for the page. The test determines what each run does. */
export class PageSandbox {
  readonly runs = new Map<string, KnownRun>();
  /** Called for each new run. By default the run starts and continues until the test ends it. */
  plan: (id: string) => void = (id) => this.start(id);
  engine: Engine = docker;
  status: SandboxStatus = { engine: 'docker', message: 'Docker', networkCut: true, languages: [] };
  readonly #push: (message: HostToPage) => void;

  constructor(push: (message: HostToPage) => void) {
    this.#push = push;
  }

  /** Id of the latest run. */
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

  /** Sends events of a run to the page. */
  emit(id: string, ...events: ExecutionEvent[]): void {
    const run = this.runs.get(id);
    const restart = run?.events.length === 0;
    run?.events.push(...events);
    this.#push({ kind: 'execution', id, restart, events });
  }

  start(id: string): void {
    this.emit(id, { type: 'started', engine: this.engine });
  }

  print(id: string, text: string, stream: OutputStream = 'stdout'): void {
    this.emit(id, { type: 'output', stream, text });
  }

  /** Ends a run. Fields of the record that are not given are those of a successful run. */
  end(id: string, result: Partial<ExecutionRecord> = {}): void {
    const run = this.runs.get(id);
    if (!run || run.record) return;
    run.record = this.record(id, run, result);
    this.emit(id, { type: 'ended', record: { ...run.record, stdout: '', stderr: '', order: [] } });
  }

  /** Refuses a run. */
  refuse(id: string, code: string, detail: string): void {
    this.#push({ kind: 'execution', id, events: [], problem: { code, status: 409, title: 'Refused', detail } });
  }

  /** Simulates a program that ended in another window. */
  elsewhere(request: ExecutionRequest, output: string, result: Partial<ExecutionRecord> = {}): void {
    const run: KnownRun = { request, events: [{ type: 'output', stream: 'stdout', text: output }], record: null };
    run.record = this.record(request.id, run, result);
    this.runs.set(request.id, run);
    this.#push({ kind: 'notice', notice: { type: 'execution.ended', record: run.record } });
  }

  /** Handles `executions.list`. Returns the latest run of each part. */
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

  /** Handles `snippets.get`. Returns the input of the latest run. */
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

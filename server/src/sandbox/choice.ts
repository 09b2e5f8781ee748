import type { SandboxStatus } from '@devlm/protocol/execution.ts';
import type { EngineStatus, Job, RunEvent, RunResult, Sandbox } from './sandbox.ts';

/**
 * Time for which the status of an engine is cached, in milliseconds: for an available engine, and for an unavailable
 * one.
 */
const statusCacheMs = { there: 5_000, away: 2_000 };

/**
 * Selects the first available engine for each run. Several engines of one kind, such as several Docker hosts, would be
 * one `Sandbox` that distributes its jobs; nothing here would change.
 */
export class SandboxChoice {
  readonly #engines: readonly Sandbox[];
  readonly #known = new Map<Sandbox, { status: Promise<EngineStatus>; until: number }>();

  /** @param engines engines in the order of preference; if empty, no program can be run */
  constructor(engines: readonly Sandbox[]) {
    this.#engines = engines;
  }

  /** Whether there is any engine. */
  get enabled(): boolean {
    return this.#engines.length > 0;
  }

  /** Returns the status of the first available engine, with the reasons why preferred engines are unavailable. */
  async status(): Promise<SandboxStatus> {
    const reasons: string[] = [];
    for (const engine of this.#engines) {
      const { available, message, ...status } = await this.#statusOf(engine);
      reasons.push(message);
      // The messages of preferred engines come first.
      if (available) return { ...status, engine: engine.kind, message: reasons.join(' ') };
    }
    const message = reasons.join(' ') || 'Running programs is turned off in the configuration (sandbox).';
    return { engine: null, message, networkCut: true, languages: [] };
  }

  /**
   * Runs a program as `Sandbox.run` does. If an engine goes away before it has started the program, the next one runs it.
   * @returns null if no engine is available
   */
  async run(job: Job, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<RunResult | null> {
    let last: RunResult | null = null;
    for (const engine of this.#engines) {
      if (!(await this.#statusOf(engine)).available) continue;
      let started = false;
      last = await engine.run(job, signal, (event) => {
        started ||= event.type === 'started';
        onEvent(event);
      });
      if (last.status !== 'engine-error' || started) return last;
      this.#known.delete(engine);
      if ((await this.#statusOf(engine)).available) return last;
    }
    return last;
  }

  /** Closes all engines. */
  async close(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.close()));
  }

  async #statusOf(engine: Sandbox): Promise<EngineStatus> {
    const cached = this.#known.get(engine);
    if (cached && performance.now() < cached.until) return cached.status;
    const entry = { status: engine.status(), until: Number.POSITIVE_INFINITY };
    this.#known.set(engine, entry);
    const status = await entry.status;
    entry.until = performance.now() + (status.available ? statusCacheMs.there : statusCacheMs.away);
    return status;
  }
}

import type { SandboxStatus } from '@devlm/protocol/execution.ts';
import type { EngineStatus, Job, RunEvent, RunResult, Sandbox } from './sandbox.ts';

/** How long an engine that answered is taken to be there, and one that did not to be away; milliseconds. */
const believedMs = { there: 5_000, away: 2_000 };

/**
 * Picks the engine for each run: the first that is there. More engines of one kind, such as several
 * Docker hosts, would be one `Sandbox` that spreads its jobs; nothing here would change.
 */
export class SandboxChoice {
  readonly #engines: readonly Sandbox[];
  readonly #known = new Map<Sandbox, { status: Promise<EngineStatus>; until: number }>();

  /** @param engines in the order of preference; none: nothing can be run */
  constructor(engines: readonly Sandbox[]) {
    this.#engines = engines;
  }

  get enabled(): boolean {
    return this.#engines.length > 0;
  }

  async status(): Promise<SandboxStatus> {
    const reasons: string[] = [];
    for (const engine of this.#engines) {
      const { available, message, ...status } = await this.#statusOf(engine);
      reasons.push(message);
      // Why the better one is not used comes first.
      if (available) return { ...status, engine: engine.kind, message: reasons.join(' ') };
    }
    const message = reasons.join(' ') || 'Running programs is switched off in the configuration (sandbox).';
    return { engine: null, message, networkCut: true, languages: [] };
  }

  /** As `Sandbox.run`. An engine that goes away before it has started the program is passed over. */
  async run(job: Job, signal: AbortSignal, hear: (event: RunEvent) => void): Promise<RunResult | null> {
    let last: RunResult | null = null;
    for (const engine of this.#engines) {
      if (!(await this.#statusOf(engine)).available) continue;
      let started = false;
      last = await engine.run(job, signal, (event) => {
        started ||= event.type === 'started';
        hear(event);
      });
      if (last.status !== 'engine-error' || started) return last;
      this.#known.delete(engine);
      if ((await this.#statusOf(engine)).available) return last;
    }
    return last;
  }

  async close(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.close()));
  }

  async #statusOf(engine: Sandbox): Promise<EngineStatus> {
    const known = this.#known.get(engine);
    if (known && performance.now() < known.until) return known.status;
    const asked = { status: engine.status(), until: Number.POSITIVE_INFINITY };
    this.#known.set(engine, asked);
    const status = await asked.status;
    asked.until = performance.now() + (status.available ? believedMs.there : believedMs.away);
    return status;
  }
}

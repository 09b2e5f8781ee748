import type { Language } from '@devlm/protocol/execution.ts';
import { type LanguageRow, languageTable } from '../languages.ts';
import { type EngineClient, EngineError } from './client.ts';

export interface ImageFacts {
  readonly name: string;
  /** Of the registry where it came from one, else of its content. */
  readonly digest: string;
}

export type PullProgress = (message: string, fraction: number | null) => void;

/** How long an image that was there is taken to be there; a container that cannot be made asks again. */
const believedMs = 60_000;
const pullTimeoutMs = 30 * 60_000;

interface Pull {
  readonly done: Promise<void>;
  readonly listeners: Set<PullProgress>;
}

/** The images of the languages: which they are, and getting those that are missing. */
export class Images {
  readonly #client: EngineClient;
  readonly #overrides: Partial<Record<Language, string>>;
  readonly #known = new Map<string, { facts: ImageFacts; until: number }>();
  readonly #pulls = new Map<string, Pull>();
  readonly #stop = new AbortController();

  constructor(client: EngineClient, overrides: Partial<Record<Language, string>>) {
    this.#client = client;
    this.#overrides = overrides;
  }

  nameOf(language: Language): string {
    const row: LanguageRow = languageTable[language];
    return this.#overrides[language] ?? row.image;
  }

  /** @returns null when the engine does not have it */
  async find(name: string, timeoutMs = 5_000): Promise<ImageFacts | null> {
    const known = this.#known.get(name);
    if (known && performance.now() < known.until) return known.facts;
    try {
      const image = await this.#client.call(`looking for the image ${name}`, timeoutMs, (docker) =>
        docker.getImage(name).inspect(),
      );
      const digest = image.RepoDigests?.[0]?.split('@')[1] ?? image.Id;
      const facts = { name, digest };
      this.#known.set(name, { facts, until: performance.now() + believedMs });
      return facts;
    } catch (error) {
      this.#known.delete(name);
      if (error instanceof EngineError && error.statusCode === 404) return null;
      throw error;
    }
  }

  /** It was not there after all. */
  forget(name: string): void {
    this.#known.delete(name);
  }

  /**
   * The image of a language, pulled when it is missing; several who wait for one share one pull.
   * @throws EngineError with a sentence that says what to do; the signal's reason when it aborts
   */
  async get(name: string, signal: AbortSignal, hear: PullProgress): Promise<ImageFacts> {
    const found = await this.find(name);
    if (found) return found;
    let pull = this.#pulls.get(name);
    if (!pull) {
      const listeners = new Set<PullProgress>();
      pull = { listeners, done: this.#pull(name, listeners).finally(() => this.#pulls.delete(name)) };
      // Everyone who waits may have left.
      pull.done.catch(() => {});
      this.#pulls.set(name, pull);
    }
    pull.listeners.add(hear);
    hear(`Getting the image ${name}`, null);
    const left = Promise.withResolvers<never>();
    const leave = () => left.reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    try {
      await Promise.race([pull.done, left.promise]);
    } finally {
      pull.listeners.delete(hear);
      signal.removeEventListener('abort', leave);
    }
    const pulled = await this.find(name);
    if (!pulled) throw new EngineError(`The image ${name} was pulled, but is not there. Pull it by hand.`, 404);
    return pulled;
  }

  close(): void {
    this.#stop.abort();
  }

  async #pull(name: string, listeners: ReadonlySet<PullProgress>): Promise<void> {
    const layers = new Map<string, { done: number; total: number }>();
    let fraction = 0;
    const hear = (said: unknown) => {
      const { id, progressDetail, error } = read(said);
      if (error) throw new EngineError(error, 0);
      if (id === undefined || progressDetail === null) return;
      layers.set(id, progressDetail);
      const sum = (of: 'done' | 'total') => [...layers.values()].reduce((all, layer) => all + layer[of], 0);
      // Layers are told of one by one: the share of what is known may fall, what people see does not.
      fraction = Math.max(fraction, Math.min(1, sum('done') / Math.max(1, sum('total'))));
      for (const listener of listeners) listener(`Getting the image ${name}`, fraction);
    };
    const tagged = /:[^/]*$|@/.test(name) ? name : `${name}:latest`;
    try {
      await this.#client.call(
        `pulling the image ${name}`,
        pullTimeoutMs,
        async (docker, abortSignal) => {
          const stream = await docker.pull(tagged, { abortSignal });
          const { promise, resolve, reject } = Promise.withResolvers<void>();
          abortSignal.addEventListener('abort', () => reject(abortSignal.reason), { once: true });
          let failed: unknown = null;
          docker.modem.followProgress(
            stream,
            (error: Error | null) => (error || failed ? reject(failed ?? error) : resolve()),
            (said: unknown) => {
              try {
                hear(said);
              } catch (error) {
                failed = error;
              }
            },
          );
          await promise;
        },
        this.#stop.signal,
      );
    } catch (error) {
      if (error instanceof EngineError && error.away) throw error;
      const reason = error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
      const help = 'Pull it by hand, or name another in the configuration (sandboxImages).';
      throw new EngineError(`The image ${name} could not be pulled: ${reason}. ${help}`, 0, { cause: error });
    }
  }
}

function read(said: unknown): { id?: string; progressDetail: { done: number; total: number } | null; error?: string } {
  const field = (value: unknown, name: string): unknown =>
    typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  const id = field(said, 'id');
  const error = field(said, 'error');
  const [done, total] = [
    field(field(said, 'progressDetail'), 'current'),
    field(field(said, 'progressDetail'), 'total'),
  ];
  const isDownload = field(said, 'status') === 'Downloading';
  return {
    ...(typeof id === 'string' ? { id } : {}),
    ...(typeof error === 'string' ? { error } : {}),
    progressDetail: isDownload && typeof done === 'number' && typeof total === 'number' ? { done, total } : null,
  };
}

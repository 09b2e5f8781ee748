import type { Language } from '@devlm/protocol/execution.ts';
import { untilAborted } from '@devlm/protocol/until-aborted.ts';
import { type LanguageRow, languageTable } from '../languages.ts';
import { type EngineClient, EngineError } from './client.ts';

/** Name and digest of an image. */
export interface ImageFacts {
  readonly name: string;
  /** Digest from the registry, or the ID of the image if it came from no registry. */
  readonly digest: string;
}

/** Callback for the progress of a pull. The fraction is from 0 to 1, or null if it is unknown. */
export type PullProgress = (message: string, fraction: number | null) => void;

/** Time for which the facts about an image are cached, in milliseconds. A failed run clears them earlier. */
const cacheMs = 60_000;
/** Maximum duration of a pull, in milliseconds. */
const pullTimeoutMs = 30 * 60_000;

interface Pull {
  readonly done: Promise<void>;
  readonly listeners: Set<PullProgress>;
}

/** Images of the languages. Finds their names and digests and pulls missing ones. */
export class ImageStore {
  readonly #client: EngineClient;
  readonly #overrides: Partial<Record<Language, string>>;
  readonly #known = new Map<string, { facts: ImageFacts; until: number }>();
  readonly #pulls = new Map<string, Pull>();
  readonly #stop = new AbortController();

  constructor(client: EngineClient, overrides: Partial<Record<Language, string>>) {
    this.#client = client;
    this.#overrides = overrides;
  }

  /** Returns the name of a language's image. */
  nameOf(language: Language): string {
    const row: LanguageRow = languageTable[language];
    return this.#overrides[language] ?? row.image;
  }

  /**
   * Finds an image on the engine.
   * @returns null if the engine does not have it
   */
  async find(name: string, timeoutMs = 5_000): Promise<ImageFacts | null> {
    const known = this.#known.get(name);
    if (known && performance.now() < known.until) return known.facts;
    try {
      const image = await this.#client.call(`looking for the image ${name}`, timeoutMs, (docker) =>
        docker.getImage(name).inspect(),
      );
      const digest = image.RepoDigests?.[0]?.split('@')[1] ?? image.Id;
      const facts = { name, digest };
      this.#known.set(name, { facts, until: performance.now() + cacheMs });
      return facts;
    } catch (error) {
      this.#known.delete(name);
      if (error instanceof EngineError && error.statusCode === 404) return null;
      throw error;
    }
  }

  /** Removes an image from the cache, because it may no longer exist. */
  forget(name: string): void {
    this.#known.delete(name);
  }

  /**
   * Returns an image and pulls it if it is missing. Concurrent callers share one pull.
   * @throws EngineError with a sentence that says what to do; the signal's reason if it aborts
   */
  async get(name: string, signal: AbortSignal, onProgress: PullProgress): Promise<ImageFacts> {
    const found = await this.find(name);
    if (found) return found;
    let pull = this.#pulls.get(name);
    if (!pull) {
      const listeners = new Set<PullProgress>();
      pull = { listeners, done: this.#pull(name, listeners).finally(() => this.#pulls.delete(name)) };
      // Attach a handler even when all callers have aborted, so that a late rejection is not unhandled.
      pull.done.catch(() => {});
      this.#pulls.set(name, pull);
    }
    pull.listeners.add(onProgress);
    onProgress(`Pulling the image ${name}`, null);
    try {
      await untilAborted(pull.done, signal);
    } finally {
      pull.listeners.delete(onProgress);
    }
    const pulled = await this.find(name);
    if (!pulled)
      throw new EngineError(
        `The image ${name} was pulled but cannot be found. Pull it manually with "docker pull".`,
        404,
      );
    return pulled;
  }

  /** Cancels all pulls. */
  close(): void {
    this.#stop.abort();
  }

  async #pull(name: string, listeners: ReadonlySet<PullProgress>): Promise<void> {
    const layers = new Map<string, { done: number; total: number }>();
    let fraction = 0;
    const onMessage = (message: unknown) => {
      const { id, progressDetail, error } = readPullMessage(message);
      if (error) throw new EngineError(error, 0);
      if (id === undefined || progressDetail === null) return;
      layers.set(id, progressDetail);
      const sum = (of: 'done' | 'total') => [...layers.values()].reduce((all, layer) => all + layer[of], 0);
      // The engine announces layers one by one, so that the share can fall. The reported fraction never does.
      fraction = Math.max(fraction, Math.min(1, sum('done') / Math.max(1, sum('total'))));
      for (const listener of listeners) listener(`Pulling the image ${name}`, fraction);
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
            (message: unknown) => {
              try {
                onMessage(message);
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
      const help = 'Pull it manually, or configure another image (sandboxImages).';
      throw new EngineError(`Cannot pull the image ${name}: ${reason}. ${help}`, 0, { cause: error });
    }
  }
}

function readPullMessage(message: unknown): {
  id?: string;
  progressDetail: { done: number; total: number } | null;
  error?: string;
} {
  const field = (value: unknown, name: string): unknown =>
    typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  const id = field(message, 'id');
  const error = field(message, 'error');
  const [done, total] = [
    field(field(message, 'progressDetail'), 'current'),
    field(field(message, 'progressDetail'), 'total'),
  ];
  const isDownload = field(message, 'status') === 'Downloading';
  return {
    ...(typeof id === 'string' ? { id } : {}),
    ...(typeof error === 'string' ? { error } : {}),
    progressDetail: isDownload && typeof done === 'number' && typeof total === 'number' ? { done, total } : null,
  };
}

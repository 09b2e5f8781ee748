import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';
import { modelProblem } from './problems.ts';
import type { Credential, Upstream } from './upstream.ts';

/** A change to a credential. Absent members stay unchanged. */
export type CredentialChange = { readonly [K in keyof Credential]?: Credential[K] | undefined };

/**
 * The server's own credential. It is kept in memory only. Values set by the editor take precedence over those that the
 * server was started with.
 */
export class OwnCredential {
  readonly #config: Pick<Config, 'apiKey' | 'baseUrl'>;
  #override: Credential = { apiKey: null, baseUrl: null };
  readonly #handedOver = Promise.withResolvers<void>();

  constructor(config: Pick<Config, 'apiKey' | 'baseUrl'>) {
    this.#config = config;
  }

  /** API key of the credential; undefined if there is none. */
  get apiKey(): string | undefined {
    return this.#override.apiKey ?? this.#config.apiKey;
  }

  /** Base URL of the credential. */
  get baseUrl(): string {
    return this.#override.baseUrl ?? this.#config.baseUrl;
  }

  /**
   * Whether a key is set or not needed. Only Anthropic's own API is known to need a key; a local server may accept any.
   */
  get key(): 'set' | 'missing' {
    if (this.apiKey) return 'set';
    return new URL(this.baseUrl).hostname.endsWith('anthropic.com') ? 'missing' : 'set';
  }

  /** Changes the credential. Each of two editors may know only one half of it. Returns whether anything changed. */
  set(change: CredentialChange): boolean {
    const credential = {
      apiKey: change.apiKey === undefined ? this.#override.apiKey : change.apiKey,
      baseUrl: change.baseUrl === undefined ? this.#override.baseUrl : change.baseUrl,
    };
    this.handOver();
    const { apiKey, baseUrl } = this.#override;
    if (apiKey === credential.apiKey && baseUrl === credential.baseUrl) return false;
    this.#override = credential;
    return true;
  }

  /** Records that an editor has sent all that it knows about the credential of this launch, even if that is nothing. */
  handOver(): void {
    this.#handedOver.resolve();
  }

  /** Resolves when `handOver` has been called, or after the given time. */
  async whenHandedOver(milliseconds: number, signal: AbortSignal): Promise<void> {
    const timeout = new AbortController();
    const both = AbortSignal.any([signal, timeout.signal]);
    await Promise.race([
      this.#handedOver.promise,
      sleep(milliseconds, undefined, { signal: both, ref: false }).catch(() => undefined),
    ]);
    timeout.abort();
  }

  /**
   * Returns the endpoint and key for calls.
   *
   * @throws ProblemError `missing_key`, `bad_key`
   */
  upstream(): Upstream {
    if (this.key === 'missing') throw modelProblem('missing_key', 'Add a Claude API key to send messages.');
    const apiKey = this.apiKey || 'none';
    // Other characters are not allowed in a header, and the call would fail like a network error.
    if (!/^[\x21-\x7e]+$/.test(apiKey))
      throw modelProblem(
        'bad_key',
        'The API key contains a space or another character that is not allowed in a key. Copy the key again and set it.',
      );
    return { apiKey, baseUrl: this.baseUrl };
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';
import { modelProblem } from './problems.ts';
import type { Credential, Upstream } from './upstream.ts';

/** A change of a credential. What is absent stays as it is. */
export type CredentialChange = { readonly [K in keyof Credential]?: Credential[K] | undefined };

/**
 * The one credential that every server has. It is kept in memory only: what the editor sets counts before what the
 * server was started with.
 */
export class OwnCredential {
  readonly #config: Pick<Config, 'apiKey' | 'baseUrl'>;
  #override: Credential = { apiKey: null, baseUrl: null };
  readonly #handedOver = Promise.withResolvers<void>();

  constructor(config: Pick<Config, 'apiKey' | 'baseUrl'>) {
    this.#config = config;
  }

  get apiKey(): string | undefined {
    return this.#override.apiKey ?? this.#config.apiKey;
  }

  get baseUrl(): string {
    return this.#override.baseUrl ?? this.#config.baseUrl;
  }

  /** Whether calls can be made. Only Anthropic's own API needs a key for certain; a local server may take any. */
  get key(): 'set' | 'missing' {
    if (this.apiKey) return 'set';
    return new URL(this.baseUrl).hostname.endsWith('anthropic.com') ? 'missing' : 'set';
  }

  /** Changes the credential: two editors may know one half each. Returns whether anything changed. */
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

  /** An editor has said what it has to say about the credential of this launch, be it nothing. */
  handOver(): void {
    this.#handedOver.resolve();
  }

  /** Resolves after `handOver`, or after the time without one. */
  async whenHandedOver(milliseconds: number, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const both = AbortSignal.any([signal, waiting.signal]);
    await Promise.race([
      this.#handedOver.promise,
      sleep(milliseconds, undefined, { signal: both, ref: false }).catch(() => undefined),
    ]);
    waiting.abort();
  }

  /**
   * Returns where calls go, and with which key.
   * @throws ProblemError `missing_key`, `bad_key`
   */
  upstream(): Upstream {
    if (this.key === 'missing') throw modelProblem('missing_key', 'Add a Claude API key to send messages.');
    const apiKey = this.apiKey || 'none';
    // Anything else cannot stand in a header, and would fail as if the network had.
    if (!/^[\x21-\x7e]+$/.test(apiKey))
      throw modelProblem('bad_key', 'The API key has a character that no key has. Copy it again, and set it.');
    return { apiKey, baseUrl: this.baseUrl };
  }
}

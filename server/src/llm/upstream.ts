import type { MessagesFetch } from './platforms/platform.ts';

export interface Upstream {
  readonly apiKey: string;
  readonly baseUrl: string;
  /** Makes the calls where they are no plain HTTP with the key: the platform has a key of its own. */
  readonly send?: MessagesFetch;
}

export interface Credential {
  readonly apiKey: string | null;
  readonly baseUrl: string | null;
}

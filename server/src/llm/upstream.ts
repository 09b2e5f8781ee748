/**
 * A `fetch` that makes calls to the Messages API in a platform's own way. Requests and responses are those of
 * Anthropic's API.
 */
export type MessagesFetch = typeof fetch;

/** Endpoint and key for calls to an instance. */
export interface Upstream {
  readonly apiKey: string;
  readonly baseUrl: string;
  /** Makes the calls to an instance at a platform with its own credentials. Default: plain HTTP with the key. */
  readonly send?: MessagesFetch;
}

/** API key and base URL, as an editor hands them over; null for a value that it does not provide. */
export interface Credential {
  readonly apiKey: string | null;
  readonly baseUrl: string | null;
}

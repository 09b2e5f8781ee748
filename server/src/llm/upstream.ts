/** Calls of the Messages API, made in the platform's own way: requests and answers are those of Anthropic's API. */
export type MessagesFetch = typeof fetch;

/** Where the calls of an instance go, and with which key. */
export interface Upstream {
  readonly apiKey: string;
  readonly baseUrl: string;
  /** Makes the calls where they are no plain HTTP with the key: the platform has a key of its own. */
  readonly send?: MessagesFetch;
}

/** A key and an address, as an editor hands them over; null where it does not name one. */
export interface Credential {
  readonly apiKey: string | null;
  readonly baseUrl: string | null;
}

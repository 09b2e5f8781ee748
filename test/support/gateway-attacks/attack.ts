import { bytesOf, type RawRequest } from '../raw-http.ts';

/** The server that is attacked, and what an attacker may hold. */
export interface Edge {
  /** With the port. */
  readonly host: string;
  /** Lets in everywhere. */
  readonly secret: string;
  /** Lets in at `/llm` alone. */
  readonly llmToken: string;
}

export interface Attack {
  readonly name: string;
  readonly bytes: (edge: Edge) => string;
  /** Of every answer that may come, in order. */
  readonly statuses: readonly number[];
}

export const json = 'Content-Type: application/json';
export const bearer = (token: string) => `Authorization: Bearer ${token}`;

/** An attack that is one whole request by somebody who is let in everywhere. */
export function request(name: string, status: number, { headers = [], ...rest }: RawRequest): Attack {
  return {
    name,
    statuses: [status],
    bytes: ({ host, secret }) => bytesOf(host, { ...rest, headers: [bearer(secret), ...headers] }),
  };
}

import { bytesOf, type RawRequest } from '../raw-http.ts';

/** The attacked server, and the credentials that an attacker may have. */
export interface Edge {
  /** Host with port. */
  readonly host: string;
  /** Credential for all routes. */
  readonly secret: string;
  /** Credential for `/llm` only. */
  readonly llmToken: string;
}

/** An attack on the gateway. */
export interface Attack {
  readonly name: string;
  /** Returns the bytes to send. */
  readonly bytes: (edge: Edge) => string;
  /** Expected status of each response, in order. */
  readonly statuses: readonly number[];
}

/** Header of a JSON body. */
export const json = 'Content-Type: application/json';
/** Returns an Authorization header. */
export const bearer = (token: string) => `Authorization: Bearer ${token}`;

/** Returns an attack that consists of one complete request with the credential for all routes. */
export function request(name: string, status: number, { headers = [], ...rest }: RawRequest): Attack {
  return {
    name,
    statuses: [status],
    bytes: ({ host, secret }) => bytesOf(host, { ...rest, headers: [bearer(secret), ...headers] }),
  };
}

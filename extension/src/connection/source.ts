import type { ServerInfo } from '@devlm/protocol/views.ts';
import type { Endpoint } from './client.ts';

/** A server that has responded. */
export interface ReachedServer {
  readonly endpoint: Endpoint;
  readonly info: ServerInfo;
}

/** A provider of the server that a window uses. */
export interface ServerSource {
  /** Host of a remote server. Null: the local server. */
  readonly remote: string | null;
  /**
   * Returns a server that is ready for calls.
   * @param graceMs time to wait for another window's server before one is started, in milliseconds. Default: 0
   * @throws ProblemError if no server is available
   */
  connect(signal: AbortSignal, graceMs?: number): Promise<ReachedServer>;
  /** Ends the local server at the user's request. Does nothing for a remote server. */
  end(signal: AbortSignal): Promise<void>;
}

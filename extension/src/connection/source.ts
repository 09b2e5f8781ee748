import type { ServerInfo } from '@devlm/protocol/views.ts';
import type { Endpoint } from './client.ts';

/** A server that has answered. */
export interface Reached {
  readonly endpoint: Endpoint;
  readonly info: ServerInfo;
}

/** Where a window has its server from. */
export interface ServerSource {
  /** Host of a server that others run; null: it is this machine's own. */
  readonly remote: string | null;
  /**
   * A server that can be spoken to.
   * @param graceMs for so long another window's server is waited for before one is started
   * @throws ProblemError when none can be had
   */
  connect(signal: AbortSignal, graceMs?: number): Promise<Reached>;
  /** Ends the server on the person's wish; one that others run stays. */
  end(signal: AbortSignal): Promise<void>;
}

import { ProblemError } from '@devlm/protocol/problem.ts';
import { protocolVersion } from '@devlm/protocol/routes.ts';
import type { Problems } from '../problems.ts';
import { hostOf } from './address.ts';
import { Client } from './client.ts';
import type { Reached, ServerSource } from './source.ts';

/** Longer than the way to any server takes that can be worked with. */
const timeoutMs = 15_000;

export interface RemoteOptions {
  readonly origin: string;
  /** Null: none is known. */
  readonly token: () => Promise<string | null>;
  readonly problems: Problems;
}

/** A server that others run: it is reached with a token, and neither started nor ended from here. */
export class RemoteServer implements ServerSource {
  readonly remote: string;
  readonly #options: RemoteOptions;

  constructor(options: RemoteOptions) {
    this.#options = options;
    this.remote = hostOf(options.origin);
  }

  async connect(signal: AbortSignal): Promise<Reached> {
    const { origin, token, problems } = this.#options;
    const secret = await token();
    if (secret === null) throw problems.tokenMissing();
    const endpoint = { origin, secret };
    const info = await new Client(endpoint, problems)
      .call('server.info', {}, { signal, timeoutMs })
      .catch((error: unknown) => {
        throw asRefusal(error, problems);
      });
    if (info.protocol > protocolVersion) throw problems.remoteNewer();
    if (info.protocol < protocolVersion) throw problems.remoteOlder();
    return { endpoint, info };
  }

  async end(): Promise<void> {}
}

/** What the server has against the token, with the way to enter another one. */
function asRefusal(error: unknown, problems: Problems): unknown {
  if (!(error instanceof ProblemError)) return error;
  const { code, status, detail } = error.problem;
  if (code === 'bad_response') return problems.notDevlm(error);
  return status === 401 || status === 403 ? problems.tokenRefused(status, detail) : error;
}

import { ProblemError } from '@devlm/protocol/problem.ts';
import { protocolVersion } from '@devlm/protocol/routes.ts';
import type { Problems } from '../problems.ts';
import { hostOf } from './address.ts';
import { Client } from './client.ts';
import type { ReachedServer, ServerSource } from './source.ts';

/** Timeout of the first call, in milliseconds. A server that takes longer is too slow to work with. */
const timeoutMs = 15_000;

/** Options of a `RemoteServer`. */
export interface RemoteOptions {
  readonly origin: string;
  /** Returns the token, or null if none is stored. */
  readonly token: () => Promise<string | null>;
  readonly problems: Problems;
}

/** A server run by others. The extension connects with a token, and neither starts nor ends it. */
export class RemoteServer implements ServerSource {
  readonly remote: string;
  readonly #options: RemoteOptions;

  constructor(options: RemoteOptions) {
    this.#options = options;
    this.remote = hostOf(options.origin);
  }

  async connect(signal: AbortSignal): Promise<ReachedServer> {
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

/** Converts an error to a problem that says what is wrong with the token and lets the user enter another one. */
function asRefusal(error: unknown, problems: Problems): unknown {
  if (!(error instanceof ProblemError)) return error;
  const { code, status, detail } = error.problem;
  if (code === 'bad_response') return problems.notDevlm(error);
  return status === 401 || status === 403 ? problems.tokenRefused(status, detail) : error;
}

import type { Problem } from '@devlm/protocol/problem.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Translate } from './ports.ts';

const make = (problem: Problem) => (cause?: unknown) => new ProblemError(problem, { cause });

/**
 * Returns a factory for each problem that the extension itself reports.
 * @param t translates the sentences
 * @param remote host of the remote server; null for the server on this machine
 */
export function problemsOf(t: Translate, remote: string | null = null) {
  return {
    ...connectionProblems(t, remote),
    ...launchProblems(t),
    ...remoteProblems(t, remote ?? ''),
    ...runProblems(t),
    ...requestProblems(t),
  };
}

/** The factories of the extension's problems, by name. */
export type Problems = ReturnType<typeof problemsOf>;

/** Problems of the connection to a running server. */
function connectionProblems(t: Translate, remote: string | null) {
  return {
    unreachable: make({
      code: 'server_unreachable',
      status: 503,
      title: t('Server not reachable'),
      detail:
        remote === null
          ? t('The DevLM server cannot be reached. It is being started again.')
          : t('{0} cannot be reached. Look at your network, or ask who runs it.', remote),
      action: 'retry',
    }),
    timeout: make({
      code: 'server_timeout',
      status: 504,
      title: t('Server too slow'),
      detail:
        remote === null
          ? t('The DevLM server did not answer in time. Try again, or restart the server.')
          : t('{0} did not answer in time. Look at your network, or ask who runs it.', remote),
      action: 'restart-server',
    }),
    badResponse: make({
      code: 'bad_response',
      status: 502,
      title: t('Unreadable answer'),
      detail: t('The DevLM server gave an answer that this version cannot read. Reload the window to update.'),
      action: 'show-log',
    }),
    streamSilent: make({
      code: 'stream_silent',
      status: 504,
      title: t('Server silent'),
      detail: t('The DevLM server went silent. Connecting again.'),
      action: 'restart-server',
    }),
    eventGap: make({
      code: 'event_gap',
      status: 502,
      title: t('Events missing'),
      detail: t('Events of this conversation are missing. They are being read again.'),
      action: 'show-log',
    }),
  };
}

/** Problems of starting the server on this machine and of sharing it with other windows. */
function launchProblems(t: Translate) {
  return {
    startFailed: (why: string, cause?: unknown) =>
      new ProblemError(
        {
          code: 'server_start_failed',
          status: 500,
          title: t('Server did not start'),
          detail: t('The DevLM server ended while it started ({0}). The log says more.', why),
          action: 'show-log',
        },
        { cause },
      ),
    startTimeout: make({
      code: 'server_start_timeout',
      status: 504,
      title: t('Server did not start'),
      detail: t('The DevLM server did not start in time. Restart it, or look at the log.'),
      action: 'restart-server',
    }),
    unresponsive: (pid: number) =>
      new ProblemError({
        code: 'server_unresponsive',
        status: 504,
        title: t('Server hangs'),
        detail: t('A DevLM server is running but does not answer (process {0}). Restart it.', pid),
        action: 'restart-server',
      }),
    newerServer: make({
      code: 'server_newer',
      status: 409,
      title: t('DevLM was updated'),
      detail: t('Another window runs a newer DevLM. Reload this window to use it too.'),
    }),
    olderServerBusy: make({
      code: 'server_older_busy',
      status: 409,
      title: t('Old server still busy'),
      detail: t('A server of an older DevLM is still answering in another window. It is replaced when it is done.'),
      action: 'restart-server',
    }),
  };
}

/** Problems of the remote server at `host`. */
function remoteProblems(t: Translate, host: string) {
  return {
    remoteNewer: make({
      code: 'server_newer',
      status: 409,
      title: t('Server newer than the editor'),
      detail: t('{0} runs a newer DevLM. Update the extension to use it.', host),
    }),
    remoteOlder: make({
      code: 'server_older',
      status: 409,
      title: t('Server older than the editor'),
      detail: t('{0} runs an older DevLM, which this version cannot use. Ask who runs it to update it.', host),
    }),
    notDevlm: make({
      code: 'not_devlm',
      status: 502,
      title: t('No DevLM server'),
      detail: t('{0} answers, but not as a DevLM server. Look at the address, or ask who runs it.', host),
      action: 'restart-server',
    }),
    tokenMissing: make({
      code: 'token_missing',
      status: 401,
      title: t('Token needed'),
      detail: t('{0} wants a token. Who runs it makes one for you.', host),
      action: 'set-token',
    }),
    /** `reason` is the server's own message. */
    tokenRefused: (status: number, reason: string) =>
      new ProblemError({
        code: 'token_refused',
        status,
        title: t('Token refused'),
        detail: t('{0} refuses your token: {1}', host, reason.slice(0, 500)),
        action: 'set-token',
      }),
  };
}

/** Problems of running a program. */
function runProblems(t: Translate) {
  return {
    executionLost: make({
      code: 'execution_lost',
      status: 410,
      title: t('Run lost'),
      detail: t('The DevLM server ended while the program ran. Run it again.'),
    }),
    untrusted: make({
      code: 'workspace_untrusted',
      status: 403,
      title: t('Folder not trusted'),
      detail: t('Programs run only in a trusted folder. Trust this folder ("Manage Workspace Trust") and try again.'),
    }),
    networkRefused: make({
      code: 'network_refused',
      status: 403,
      title: t('Not run'),
      detail: t('Not run: this machine cannot cut the network from programs. Start Docker to run them without it.'),
    }),
    tooManyRuns: make({
      code: 'too_many_runs',
      status: 429,
      title: t('Too many programs'),
      detail: t('Too many programs run in this window. Wait until one has ended, or stop one.'),
    }),
  };
}

/** Problems of a request and of the model provider that it is meant for. */
function requestProblems(t: Translate) {
  return {
    badAddress: make({
      code: 'bad_base_url',
      status: 400,
      title: t('Base URL not usable'),
      detail: t('The base URL in the settings is not an address. It begins with http:// or https:// and has a host.'),
      action: 'open-settings',
    }),
    /** `detail` is the message of the Messages API. */
    provider: (status: number, detail: string) =>
      new ProblemError({
        code: 'provider_error',
        status,
        title: t('Claude did not answer'),
        detail: detail.slice(0, 2_000),
        ...(status === 429 || status >= 500 ? { action: 'retry' as const } : {}),
      }),
    invalidRequest: (where: string) =>
      new ProblemError({
        code: 'invalid_request',
        status: 400,
        title: t('Invalid request'),
        detail: t('This cannot be sent to the DevLM server: {0}', where),
      }),
  };
}

/**
 * Converts any thrown value to a problem. A value that is not a `ProblemError` is a bug, whose details are not shown.
 */
export function asProblem(error: unknown, t: Translate): Problem {
  if (error instanceof ProblemError) return error.problem;
  return {
    code: 'internal',
    status: 500,
    title: t('Something went wrong'),
    detail: t('DevLM met an error of its own. The log says more.'),
    action: 'show-log',
  };
}

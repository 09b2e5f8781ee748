import type { OwnProblem, Problem } from '@devlm/protocol/problem.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Translate } from './ports.ts';

const make = (problem: OwnProblem) => (cause?: unknown) => new ProblemError(problem, { cause });

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
      title: t('Server unreachable'),
      detail:
        remote === null
          ? t('Cannot reach the DevLM server. It is being restarted.')
          : t('Cannot reach {0}. Check your network connection, or ask your administrator.', remote),
      action: 'retry',
    }),
    timeout: make({
      code: 'server_timeout',
      status: 504,
      title: t('Server timed out'),
      detail:
        remote === null
          ? t('The DevLM server did not respond in time. Try again, or restart the server.')
          : t('{0} did not respond in time. Check your network connection, or ask your administrator.', remote),
      action: 'restart-server',
    }),
    badResponse: make({
      code: 'bad_response',
      status: 502,
      title: t('Unexpected response'),
      detail: t(
        'The DevLM server sent a response that this version of the extension cannot read. Reload the window to update the extension.',
      ),
      action: 'show-log',
    }),
    streamSilent: make({
      code: 'stream_silent',
      status: 504,
      title: t('Connection lost'),
      detail: t('The DevLM server stopped sending data. Reconnecting.'),
      action: 'restart-server',
    }),
    eventGap: make({
      code: 'event_gap',
      status: 502,
      title: t('Missing events'),
      detail: t('Some events of this conversation are missing. They are being loaded again.'),
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
          title: t('Server failed to start'),
          detail: t('The DevLM server exited during startup ({0}). See the log for details.', why),
          action: 'show-log',
        },
        { cause },
      ),
    startTimeout: make({
      code: 'server_start_timeout',
      status: 504,
      title: t('Server failed to start'),
      detail: t('The DevLM server did not start in time. Restart it, or check the log.'),
      action: 'restart-server',
    }),
    unresponsive: (pid: number) =>
      new ProblemError({
        code: 'server_unresponsive',
        status: 504,
        title: t('Server not responding'),
        detail: t('The DevLM server (process {0}) is running but not responding. Restart it.', pid),
        action: 'restart-server',
      }),
    newerServer: make({
      code: 'server_newer',
      status: 409,
      title: t('DevLM was updated'),
      detail: t('Another window runs a newer version of DevLM. Reload this window to update.'),
    }),
    olderServerBusy: make({
      code: 'server_older_busy',
      status: 409,
      title: t('Older server still busy'),
      detail: t('An older DevLM server is still working for another window. It will be replaced when it is done.'),
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
      title: t('Server newer than the extension'),
      detail: t('{0} runs a newer version of DevLM. Update the extension to connect to it.', host),
    }),
    remoteOlder: make({
      code: 'server_older',
      status: 409,
      title: t('Server older than the extension'),
      detail: t(
        '{0} runs an older version of DevLM, which this extension does not support. Ask your administrator to update it.',
        host,
      ),
    }),
    notDevlm: make({
      code: 'not_devlm',
      status: 502,
      title: t('Not a DevLM server'),
      detail: t('{0} responded, but not as a DevLM server. Check the address, or ask your administrator.', host),
      action: 'restart-server',
    }),
    tokenMissing: make({
      code: 'token_missing',
      status: 401,
      title: t('Token required'),
      detail: t('{0} requires a token. Your administrator can create one for you.', host),
      action: 'set-token',
    }),
    /** `reason` is the server's own message. */
    tokenRefused: (status: number, reason: string) =>
      new ProblemError({
        code: 'token_refused',
        status,
        title: t('Token rejected'),
        detail: t('{0} rejected your token: {1}', host, reason.slice(0, 500)),
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
      detail: t('The DevLM server exited while the program was running. Run the program again.'),
    }),
    untrusted: make({
      code: 'workspace_untrusted',
      status: 403,
      title: t('Folder not trusted'),
      detail: t(
        'Programs run only in a trusted folder. Trust this folder with "Manage Workspace Trust", then try again.',
      ),
    }),
    networkRefused: make({
      code: 'network_refused',
      status: 403,
      title: t('Program not run'),
      detail: t(
        'The program was not run because this machine cannot block its network access. Start Docker to run programs without network access.',
      ),
    }),
    tooManyRuns: make({
      code: 'too_many_runs',
      status: 429,
      title: t('Too many programs'),
      detail: t('Too many programs are running in this window. Wait until one has ended, or stop one.'),
    }),
  };
}

/** Problems of a request and of the model provider that it is meant for. */
function requestProblems(t: Translate) {
  /** `detail` is the message of the Messages API. */
  const provider = (status: number, detail: string) =>
    new ProblemError({
      code: 'provider_error',
      status,
      title: t('Request to Claude failed'),
      detail: detail.slice(0, 2_000),
      ...(status === 429 || status >= 500 ? { action: 'retry' as const } : {}),
    });
  return {
    provider,
    answerRefused: () => provider(422, t('The model refused to answer this request.')),
    answerIncomplete: () => provider(502, t('The answer ended before it was complete. Try again.')),
    badToolInput: () => provider(502, t('The model called a tool with input that is not a JSON object.')),
    badAddress: make({
      code: 'bad_base_url',
      status: 400,
      title: t('Invalid base URL'),
      detail: t(
        'The base URL in the settings is not valid. Enter a URL that starts with http:// or https:// and contains a host.',
      ),
      action: 'open-settings',
    }),
    invalidRequest: (where: string) =>
      new ProblemError({
        code: 'invalid_request',
        status: 400,
        title: t('Invalid request'),
        detail: t('The request to the DevLM server is not valid: {0}', where),
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
    detail: t('An internal error occurred in DevLM. See the log for details.'),
    action: 'show-log',
  };
}

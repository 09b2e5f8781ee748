import { ProblemError } from '@devlm/protocol/problem.ts';
import type { SchemaVersionTable } from './sql/schema.ts';

/** Returns `not_found`. `what` names the missing thing in its message, as `conversation` does. */
export function notFound(what: string): ProblemError {
  const detail = `The ${what} does not exist or was deleted.`;
  return new ProblemError({ code: 'not_found', status: 404, title: 'Not found', detail });
}

/** Returns `conflict` with the given detail. */
export function conflict(detail: string): ProblemError {
  return new ProblemError({ code: 'conflict', status: 409, title: 'Conflict', detail });
}

/** Returns `lease_lost`: another server runs the turns of the conversation now. */
export function leaseLost(): ProblemError {
  return new ProblemError({
    code: leaseLostCode,
    status: 409,
    title: 'Conflict',
    detail: 'Another server has taken over this conversation. Try again.',
  });
}

/** Code of the problem that `leaseLost` returns. */
export const leaseLostCode = 'lease_lost';

/** Returns `bad_request` for a cursor that is not from a page of the list. */
export function badCursor(): ProblemError {
  return new ProblemError({
    code: 'bad_request',
    status: 400,
    title: 'Invalid cursor',
    detail: 'The cursor is not valid. Request the first page, without a cursor.',
  });
}

/** Returns `store_busy`, which can be retried. */
export function storeBusy(cause: unknown): ProblemError {
  return new ProblemError(
    {
      code: 'store_busy',
      status: 503,
      title: 'Storage busy',
      detail: 'The storage is locked by another process. Try again in a moment.',
      action: 'retry',
    },
    { cause, retryAfterMs: 1_000 },
  );
}

/** Returns `store_full`; `name` is the store in its message. */
export function storeFull(name: string, cause: unknown): ProblemError {
  return new ProblemError(
    {
      code: 'store_full',
      status: 507,
      title: 'Disk full',
      detail: `Cannot write to ${name} because its disk or quota is full. Free some space and try again.`,
      action: 'retry',
    },
    { cause },
  );
}

/** Returns `store_unavailable`, which can be retried. */
export function storeUnavailable(detail: string, cause?: unknown): ProblemError {
  return new ProblemError(
    { code: 'store_unavailable', status: 503, title: 'Storage not available', detail, action: 'show-log' },
    { cause, retryAfterMs: 2_000 },
  );
}

/** Returns `store_damaged`. Nothing was moved or deleted; the detail tells the user how to restore the store. */
export function storeDamaged(detail: string, cause?: unknown): ProblemError {
  return new ProblemError(
    { code: 'store_damaged', status: 500, title: 'Storage damaged', detail, action: 'show-log' },
    { cause },
  );
}

/** Returns `token_keys_damaged`, which affects only tokens. The detail tells the operator how to continue. */
export function tokenKeysDamaged(cause?: unknown): ProblemError {
  return new ProblemError(
    {
      code: 'token_keys_damaged',
      status: 500,
      title: 'Cannot read the token keys',
      detail:
        'Cannot decrypt the token keys because they were encrypted with a different data key, or were modified. ' +
        'Start the server with the original data key: DEVLM_DATA_KEY, which all servers of a database share, or the file ' +
        'data.key in the data folder. If that key is lost, run "devlm token rotate-key --forget" to create new token keys. ' +
        'All tokens must then be created again. No data was changed.',
    },
    { cause },
  );
}

/** Returns `store_newer` for a database that a newer version of DevLM has migrated. */
export function storeNewer(
  here: { readonly name: string; readonly version: string },
  found: SchemaVersionTable,
  newest: number,
): ProblemError {
  return new ProblemError({
    code: 'store_newer',
    status: 409,
    title: 'Storage of a newer DevLM version',
    detail:
      `Cannot open ${here.name} because DevLM ${found.made_by} has upgraded it to storage version ${found.version}. This is DevLM ` +
      `${here.version}, which supports storage versions up to ${newest}. Update DevLM to ${found.made_by} or later. ` +
      'No data was changed.',
    action: 'show-log',
  });
}

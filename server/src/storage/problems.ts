import { ProblemError } from '@devlm/protocol/problem.ts';
import type { SchemaVersionTable } from './sql/schema.ts';

/** Returns `not_found` for a conversation or a turn. */
export function notFound(what: 'conversation' | 'turn'): ProblemError {
  return new ProblemError({
    code: 'not_found',
    status: 404,
    title: 'Not found',
    detail:
      what === 'turn'
        ? 'There is no such message in this conversation.'
        : 'There is no such conversation. It may have been deleted for good.',
  });
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
    detail: 'Another server has taken over this conversation.',
  });
}

/** Code of the problem that `leaseLost` returns. */
export const leaseLostCode = 'lease_lost';

/** Returns `bad_request` for a cursor that is not from a page of the list. */
export function badCursor(): ProblemError {
  return new ProblemError({
    code: 'bad_request',
    status: 400,
    title: 'Unknown cursor',
    detail: 'The cursor is not one that a list gave. Ask for the first page, without a cursor.',
  });
}

/** Returns `store_busy`, which can be retried. */
export function storeBusy(cause: unknown): ProblemError {
  return new ProblemError(
    {
      code: 'store_busy',
      status: 503,
      title: 'The storage is busy',
      detail: 'Another process holds the storage. Try again in a moment.',
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
      title: 'The disk is full',
      detail: `Nothing more can be stored in ${name}: its disk or quota is full. Free some space and try again.`,
      action: 'retry',
    },
    { cause },
  );
}

/** Returns `store_unavailable`, which can be retried. */
export function storeUnavailable(detail: string, cause?: unknown): ProblemError {
  return new ProblemError(
    { code: 'store_unavailable', status: 503, title: 'The storage cannot be reached', detail, action: 'show-log' },
    { cause, retryAfterMs: 2_000 },
  );
}

/** Returns `store_damaged`. Nothing was moved or deleted; the detail tells the user how to restore the store. */
export function storeDamaged(detail: string, cause?: unknown): ProblemError {
  return new ProblemError(
    { code: 'store_damaged', status: 500, title: 'The storage is damaged', detail, action: 'show-log' },
    { cause },
  );
}

/** Returns `token_keys_damaged`, which affects only tokens. The detail tells the operator how to continue. */
export function tokenKeysDamaged(cause?: unknown): ProblemError {
  return new ProblemError(
    {
      code: 'token_keys_damaged',
      status: 500,
      title: 'The keys of tokens cannot be read',
      detail:
        'The storage has keys of tokens that were sealed with another data key than this server has, or were changed. ' +
        'Start it with the one they were sealed with: DEVLM_DATA_KEY, which all servers of a database share, or data.key ' +
        'of the data folder. If that is lost, `devlm token rotate-key --forget` makes a new key, and all tokens have to be ' +
        'made again. Nothing was changed.',
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
    title: 'The storage was made by a newer DevLM',
    detail:
      `${here.name} was last used by DevLM ${found.made_by} (storage version ${found.version}); this is DevLM ` +
      `${here.version}, which knows storage up to version ${newest}. Update DevLM to ${found.made_by} or later. ` +
      'Nothing was changed.',
    action: 'show-log',
  });
}

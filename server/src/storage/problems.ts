import { ProblemError } from '@devlm/protocol/problem.ts';
import type { SchemaVersionTable } from './sql/schema.ts';

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

export function conflict(detail: string): ProblemError {
  return new ProblemError({ code: 'conflict', status: 409, title: 'Conflict', detail });
}

/** Another server runs the turns of the conversation now. */
export function leaseLost(): ProblemError {
  return new ProblemError({
    code: leaseLostCode,
    status: 409,
    title: 'Conflict',
    detail: 'Another server has taken over this conversation.',
  });
}

export const leaseLostCode = 'lease_lost';

/** For a cursor that no page of a list ever gave out. */
export function badCursor(): ProblemError {
  return new ProblemError({
    code: 'bad_request',
    status: 400,
    title: 'Unknown cursor',
    detail: 'The cursor is not one that a list gave. Ask for the first page, without a cursor.',
  });
}

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

export function storeUnavailable(detail: string, cause?: unknown): ProblemError {
  return new ProblemError(
    { code: 'store_unavailable', status: 503, title: 'The storage cannot be reached', detail, action: 'show-log' },
    { cause, retryAfterMs: 2_000 },
  );
}

/** Nothing is moved or deleted: the detail tells the person how to restore. */
export function storeDamaged(detail: string, cause?: unknown): ProblemError {
  return new ProblemError(
    { code: 'store_damaged', status: 500, title: 'The storage is damaged', detail, action: 'show-log' },
    { cause },
  );
}

/** Tokens alone stop. The detail says how they go on. */
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

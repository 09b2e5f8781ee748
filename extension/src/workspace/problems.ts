import type { ErrorCode } from '@devlm/protocol/error-codes.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';

/* Refusals of workspace requests, worded for the model that made the request. */

const make = (code: ErrorCode, status: number, title: string, detail: string, cause?: unknown) =>
  new ProblemError({ code, status, title, detail: detail.slice(0, 2000) }, { cause });

/** Factories of the problems that workspace requests fail with. */
export const refusals = {
  outside: (path: string) =>
    make('outside_workspace', 403, 'Outside the workspace', `${path} is not inside the workspace. Nothing was done.`),
  badPath: (path: string, why: string) =>
    make('invalid_path', 400, 'Invalid path', `${JSON.stringify(path.slice(0, 200))} is not a valid path: ${why}.`),
  restricted: () =>
    make(
      'workspace_restricted',
      403,
      'Folder not trusted',
      'The user has not trusted this folder. Files in it can be read but not changed.',
    ),
  twice: (path: string) =>
    make('invalid_request', 400, 'Invalid request', `The request names ${path} twice. Nothing was changed.`),
  readOnly: (path: string) =>
    make('file_read_only', 403, 'Read-only', `Cannot write ${path} because it is read-only. Nothing was changed.`),
  isLink: (path: string) =>
    make(
      'file_is_link',
      409,
      'Symbolic link',
      `Cannot delete ${path} because it is a symbolic link. Nothing was changed.`,
    ),
  isUnsaved: (path: string) =>
    make(
      'file_dirty',
      409,
      'Unsaved changes',
      `Cannot delete ${path} because the user has unsaved changes in it. Nothing was changed.`,
    ),
  tooLarge: (path: string) =>
    make('file_too_large', 413, 'Too large', `The new text of ${path} is too large. Nothing was changed.`),
  unencodable: (path: string, encoding: string) =>
    make(
      'not_encodable',
      422,
      'Not encodable',
      `${path} is stored as ${encoding}, which cannot represent all characters of the new text. Nothing was changed.`,
    ),
  notApplied: (why: string, cause?: unknown) =>
    make(
      'not_applied',
      500,
      'Not changed',
      `The editor could not change the files (${why}). Nothing was changed.`,
      cause,
    ),
  rollbackFailed: (paths: readonly string[], why: string, cause?: unknown) =>
    make(
      'half_applied',
      500,
      'Partly changed',
      `The change failed (${why}), and these files could not be restored: ${paths.join(', ')}. Tell the user.`,
      cause,
    ),
  failed: (path: string, cause: unknown) =>
    make(
      'file_system',
      500,
      'File system',
      `${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    ),
  notFolder: (path: string) => make('not_found', 404, 'Not found', `There is no folder ${path}.`),
  answerTooLarge: () => make('file_too_large', 413, 'Too large', 'The response is too large to send. Request less.'),
  noCommand: () =>
    make('not_found', 404, 'Not found', 'There is no such command in this window. It was never started here.'),
  inputClosed: () =>
    make('input_closed', 409, 'Input closed', 'The command no longer accepts input, or does not read it.'),
  tooManyCommands: (max: number) =>
    make('too_many_commands', 429, 'Too many commands', `${max} commands are already running. Stop one of them first.`),
  noLocalFolder: () =>
    make(
      'no_local_folder',
      409,
      'No local folder',
      'Commands cannot run in this workspace because it is not a folder on disk.',
    ),
  closing: () => make('closing', 503, 'Closing', 'The editor window is closing. Nothing was started.'),
  unknownRequest: () =>
    make('editor_unsupported', 501, 'Not supported', 'This version of the editor extension cannot do that. Update it.'),
  unknownError: (cause: unknown) =>
    make('internal', 500, 'Something went wrong', 'An internal error occurred in the editor extension.', cause),
} as const;

import { ProblemError } from '@devlm/protocol/problem.ts';

/* Refusals of a lent workspace, worded for the model that made the request. */

const make = (code: string, status: number, title: string, detail: string, cause?: unknown) =>
  new ProblemError({ code, status, title, detail: detail.slice(0, 2000) }, { cause });

/** Factories of the problems that workspace requests fail with. */
export const refusals = {
  outside: (path: string) =>
    make('outside_workspace', 403, 'Outside the workspace', `${path} is not inside the workspace. Nothing was done.`),
  badPath: (path: string, why: string) =>
    make('invalid_path', 400, 'Invalid path', `${JSON.stringify(path.slice(0, 200))} is no path: ${why}.`),
  restricted: () =>
    make(
      'workspace_restricted',
      403,
      'Folder not trusted',
      'The person has not trusted this folder. Files can be read in it, but not changed.',
    ),
  twice: (path: string) =>
    make('invalid_request', 400, 'Invalid request', `${path} is named twice. Nothing was changed.`),
  readOnly: (path: string) =>
    make('file_read_only', 403, 'Read-only', `${path} may not be written: it is read-only. Nothing was changed.`),
  isLink: (path: string) =>
    make('file_is_link', 409, 'Symbolic link', `${path} is a symbolic link and is not removed. Nothing was changed.`),
  isUnsaved: (path: string) =>
    make(
      'file_dirty',
      409,
      'Unsaved changes',
      `${path} has changes that the person has not saved, so it is not removed. Nothing was changed.`,
    ),
  tooLarge: (path: string) =>
    make('file_too_large', 413, 'Too large', `The new text of ${path} is too large. Nothing was changed.`),
  unencodable: (path: string, encoding: string) =>
    make(
      'not_encodable',
      422,
      'Not encodable',
      `${path} is stored as ${encoding}, which cannot hold all characters of the new text. Nothing was changed.`,
    ),
  notApplied: (why: string, cause?: unknown) =>
    make(
      'not_applied',
      500,
      'Not changed',
      `The editor could not change the files (${why}). Nothing was changed.`,
      cause,
    ),
  notPutBack: (paths: readonly string[], why: string, cause?: unknown) =>
    make(
      'half_applied',
      500,
      'Changed by half',
      `The change failed (${why}), and these files could not be put back: ${paths.join(', ')}. Tell the person.`,
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
  badPattern: (why: string) => make('invalid_pattern', 400, 'Invalid pattern', `The pattern is not usable: ${why}`),
  searchTooLong: () =>
    make('search_timeout', 504, 'Search too long', 'The search took too long. Use a simpler pattern or globs.'),
  notFolder: (path: string) => make('not_found', 404, 'Not found', `There is no folder ${path}.`),
  answerTooLarge: () =>
    make('file_too_large', 413, 'Too large', 'What was asked for is too large to be handed over. Ask for less.'),
  noCommand: () =>
    make('not_found', 404, 'Not found', 'This window does not know that command: it was never started here.'),
  inputClosed: () =>
    make('input_closed', 409, 'Input closed', 'The command does not take input any more, or does not read it.'),
  tooManyCommands: (max: number) =>
    make('too_many_commands', 429, 'Too many commands', `${max} commands are running already. Stop one of them.`),
  noLocalFolder: () =>
    make('no_local_folder', 409, 'No local folder', 'This workspace is not on a disk: commands cannot run in it.'),
  closing: () => make('closing', 503, 'Closing', 'The editor window is closing. Nothing was started.'),
  unknownRequest: () =>
    make('editor_unsupported', 501, 'Not supported', 'This version of the editor extension cannot do that. Update it.'),
  unknownError: (cause: unknown) =>
    make('internal', 500, 'Something went wrong', 'The editor met an error of its own.', cause),
} as const;

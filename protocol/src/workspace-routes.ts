import * as z from 'zod';
import { editorAnswers } from './editor.ts';
import { BlobHash, Id } from './ids.ts';
import { limits } from './limits.ts';

const project = z.object({ projectId: Id });
/** Relative to the folder, with `/`. */
const Path = z.string().min(1).max(4096);
const file = { path: Path, bytes: z.int().min(0), hash: BlobHash };

/**
 * A part of the table of routes: a folder of the server as the workspace of a project that no editor lends. What
 * conversations of the project do with files, they do there.
 */
export const workspaceRoutes = {
  /** Makes the folder, empty; one that is there stays as it is. 404 where the project is somebody else's. */
  'workspace.create': {
    method: 'PUT',
    path: '/backend/projects/:projectId/workspace',
    params: project,
    response: z.object({ projectId: Id }),
  },
  /** Removes the folder with all that is in it. */
  'workspace.delete': {
    method: 'DELETE',
    path: '/backend/projects/:projectId/workspace',
    params: project,
    response: z.undefined(),
  },
  /** What is in a folder; what .gitignore files leave out is not shown. */
  'workspace.list': {
    method: 'GET',
    path: '/backend/projects/:projectId/workspace',
    params: project,
    query: z.object({
      path: Path.default('.'),
      depth: z.coerce.number().int().min(1).max(20).default(20),
      limit: z.coerce.number().int().min(1).max(5000).default(1000),
    }),
    response: editorAnswers.list,
  },
  'workspace.read': {
    method: 'GET',
    path: '/backend/projects/:projectId/workspace/file',
    params: project,
    query: z.object({ path: Path }),
    response: z.object({ ...file, data: z.base64() }),
  },
  /** Makes or replaces a file, with the folders that it needs. 409 `file_changed` where it has not the hash it should have. */
  'workspace.write': {
    method: 'PUT',
    path: '/backend/projects/:projectId/workspace/file',
    params: project,
    query: z.object({ path: Path }),
    body: z.object({
      data: z.base64().max(Math.ceil(limits.fileBytes / 3) * 4),
      /** SHA-256 of the bytes that the file must have, null: there must be none. Default: whatever it has. */
      expected: BlobHash.nullable().optional(),
    }),
    response: z.object(file),
  },
  /** Removes a file, or an empty folder. */
  'workspace.remove': {
    method: 'DELETE',
    path: '/backend/projects/:projectId/workspace/file',
    params: project,
    query: z.object({ path: Path }),
    response: z.undefined(),
  },
} as const;

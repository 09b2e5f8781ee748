import * as z from 'zod';
import { editorAnswers } from './editor.ts';
import { BlobHash, Id } from './ids.ts';
import { limits } from './limits.ts';

const project = z.object({ projectId: Id });
/** A path relative to the folder, with `/`. */
const Path = z.string().min(1).max(4096);
const file = { path: Path, bytes: z.int().min(0), hash: BlobHash };

/**
 * Routes for a folder of the server that is the workspace of a project, when no editor shares one. File operations in
 * conversations of the project happen in this folder.
 */
export const workspaceRoutes = {
  /** Creates the folder. An existing one is not changed. 404 if the project belongs to another user. */
  'workspace.create': {
    method: 'PUT',
    path: '/backend/projects/:projectId/workspace',
    params: project,
    response: z.object({ projectId: Id }),
  },
  /** Removes the folder with everything in it. */
  'workspace.delete': {
    method: 'DELETE',
    path: '/backend/projects/:projectId/workspace',
    params: project,
    response: z.undefined(),
  },
  /** Lists a folder, without what .gitignore files exclude. */
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
  /** Creates or replaces a file, with its parent folders. 409 `file_changed` if it does not have the expected hash. */
  'workspace.write': {
    method: 'PUT',
    path: '/backend/projects/:projectId/workspace/file',
    params: project,
    query: z.object({ path: Path }),
    body: z.object({
      data: z.base64().max(Math.ceil(limits.fileBytes / 3) * 4),
      /** SHA-256 that the file must have; null: the file must not exist. Default: no check. */
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

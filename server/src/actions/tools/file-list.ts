import * as z from 'zod';
import { defineTool, done } from '../tool.ts';
import { PathInput } from './inputs.ts';

/** Maximum number of entries that are listed. */
const maxEntries = 1_000;

/** The tool `file_list`: lists files and folders of the workspace. */
export const fileList = defineTool({
  name: 'file_list',
  description: `Lists files and folders of the workspace, except for ignored ones, at most ${maxEntries}. Folders end with /.`,
  input: z.strictObject({
    path: PathInput.default('.').describe('The folder to list; . is the whole workspace.'),
    depth: z.int().min(1).max(10).default(2).describe('Number of levels to list.'),
  }),
  readOnly: true,
  async run({ path, depth }, context) {
    const workspace = await context.workspace();
    const { entries, truncated } = await workspace.list({ path, depth, limit: maxEntries }, context.signal);
    if (entries.length === 0) return done(`${path} is empty, or everything in it is ignored.`);
    const lines = entries.map(({ path, kind, bytes }) =>
      kind === 'folder' ? `${path}/` : bytes === null ? path : `${path} (${bytes} bytes)`,
    );
    const more = truncated ? '\n(There are more. List a subfolder.)' : '';
    return done(lines.join('\n') + more);
  },
});

import * as z from 'zod';
import { listDiagnostics } from '../effects/list-diagnostics.ts';
import { defineTool, done, failed } from '../tool.ts';
import { PathInput } from './inputs.ts';

/** The tool `diagnostics`: lists the problems that the editor shows. */
export const diagnostics = defineTool({
  name: 'diagnostics',
  description: 'Returns the errors and warnings that the editor shows for some files or for the whole workspace.',
  input: z.strictObject({ paths: z.array(PathInput).max(100).default([]).describe('The files. Default: all files.') }),
  readOnly: true,
  async run({ paths }, context) {
    const workspace = await context.workspace();
    if (!workspace.diagnostics) return failed('No editor is attached, so no diagnostics are available.');
    const { items } = await workspace.diagnostics({ paths }, context.signal);
    return done(items.length === 0 ? 'The editor shows no problems.' : listDiagnostics(items));
  },
});

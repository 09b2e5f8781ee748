import * as z from 'zod';
import { changeFiles } from '../effects/change-files.ts';
import { defineTool } from '../tool.ts';
import { PathInput } from './inputs.ts';

/** The tool `file_edit`: replaces texts in a file. */
export const fileEdit = defineTool({
  name: 'file_edit',
  description:
    'Changes a file that you have read. Each edit replaces oldText, which must occur in the file exactly once (with replaceAll, every occurrence is replaced); give enough surrounding lines. ' +
    'Edits are made in order, all or none. An edit that is ambiguous or already made is refused, with the lines in question.',
  input: z.strictObject({
    path: PathInput,
    edits: z
      .array(
        z.strictObject({
          oldText: z.string().min(1).max(200_000),
          newText: z.string().max(200_000),
          replaceAll: z.boolean().optional(),
          startLine: z.int().min(1).optional().describe('The line where oldText starts, if it occurs more than once.'),
        }),
      )
      .min(1)
      .max(100),
  }),
  readOnly: false,
  run: ({ path, edits }, context) => changeFiles(context, 'file_edit', [{ path, edits }]),
});

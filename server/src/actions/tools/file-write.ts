import { limits } from '@devlm/protocol/limits.ts';
import * as z from 'zod';
import { changeFiles } from '../effects/change-files.ts';
import { defineTool } from '../tool.ts';
import { PathInput } from './inputs.ts';

/** The tool `file_write`: creates a file or replaces its whole text. */
export const fileWrite = defineTool({
  name: 'file_write',
  description:
    'Creates a file, or replaces the whole content of one that you have read. To change a part of a file, use file_edit. Missing folders are created.',
  input: z.strictObject({ path: PathInput, content: z.string().max(limits.fileBytes / 4) }),
  readOnly: false,
  run: ({ path, content }, context) => changeFiles(context, 'file_write', [{ path, text: content }]),
});

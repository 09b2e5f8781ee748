import { limits } from '@devlm/protocol/limits.ts';
import * as z from 'zod';
import { cut, defineTool, done, failed } from '../tool.ts';
import { Path } from './inputs.ts';

/** Number of lines that are read if the model names no end. */
const defaultLines = 2_000;

/** The tool `file_read`: reads a file of the workspace. */
export const fileRead = defineTool({
  name: 'file_read',
  description:
    'Reads a file of the workspace as the editor has it, unsaved changes included. Text comes with line numbers; ' +
    `of a long file the first ${defaultLines} lines, name start and end for others. Images are shown to you. Read a file before you change it.`,
  input: z.strictObject({
    path: Path,
    start: z.int().min(1).optional().describe('First line, from 1.'),
    end: z.int().min(1).optional().describe('Last line, inclusive.'),
  }),
  readOnly: true,
  async run({ path, start = 1, end }, context) {
    const workspace = await context.workspace();
    const file = await workspace.read(path, context.signal);
    switch (file.kind) {
      case 'missing':
        return failed(`There is no file ${path}. file_list and file_search show what there is.`);
      case 'folder':
        return failed(`${path} is a folder. file_list shows what is in it.`);
      case 'unreadable':
        return failed(`${path} cannot be read as text: ${file.reason}`);
      case 'image': {
        const blob = await context.putImage(file.mediaType, Buffer.from(file.data, 'base64'));
        return done(`The picture ${path}.`, { images: [{ mediaType: file.mediaType, blob }] });
      }
      case 'text': {
        const lines = file.text.split(/\r\n|\r|\n/);
        // A final line end starts no further line.
        if (lines.at(-1) === '') lines.pop();
        if (lines.length === 0) return done(`${path} is empty.`, { reads: [{ path, hash: file.hash }] });
        if (start > lines.length) return failed(`${path} has ${lines.length} lines; there is no line ${start}.`);
        const last = Math.min(end ?? start + defaultLines - 1, lines.length);
        if (last < start) return failed(`The last line, ${end}, is before the first, ${start}.`);
        const numbered = lines.slice(start - 1, last).map((line, i) => `${start + i}\t${line}`);
        const rest = last < lines.length || start > 1 ? `\n(Lines ${start} to ${last} of ${lines.length}.)` : '';
        const text = cut(numbered.join('\n'), limits.toolResultChars - 100);
        return done(text + rest, { reads: [{ path, hash: file.hash }] });
      }
    }
  },
});

import { limits } from '@devlm/protocol/limits.ts';
import * as z from 'zod';
import { cut, defineTool, done, failed } from '../tool.ts';
import { PathInput } from './inputs.ts';

/** Number of lines that are read if the model names no end. */
const defaultLines = 2_000;

/** The tool `file_read`: reads a file of the workspace. */
export const fileRead = defineTool({
  name: 'file_read',
  description:
    'Reads a file of the workspace as it is in the editor, including unsaved changes. Text is returned with line numbers; ' +
    `of a long file, only the first ${defaultLines} lines are returned. Give start and end to read other lines. Images are shown to you. Read a file before you change it.`,
  input: z.strictObject({
    path: PathInput,
    start: z.int().min(1).optional().describe('First line, counted from 1.'),
    end: z.int().min(1).optional().describe('Last line, inclusive.'),
  }),
  readOnly: true,
  async run({ path, start = 1, end }, context) {
    const workspace = await context.workspace();
    const file = await workspace.read(path, context.signal);
    switch (file.kind) {
      case 'missing':
        return failed(`The file ${path} does not exist. Use file_list or file_search to find files.`);
      case 'folder':
        return failed(`${path} is a folder. Use file_list to see what is in it.`);
      case 'unreadable':
        return failed(`Cannot read ${path} as text: ${file.reason}`);
      case 'image': {
        const blob = await context.putImage(file.mediaType, Buffer.from(file.data, 'base64'));
        return done(`The image ${path}.`, { images: [{ mediaType: file.mediaType, blob }] });
      }
      case 'text': {
        const lines = file.text.split(/\r\n|\r|\n/);
        // A final line end does not start another line.
        if (lines.at(-1) === '') lines.pop();
        if (lines.length === 0) return done(`${path} is empty.`, { reads: [{ path, hash: file.hash }] });
        if (start > lines.length) return failed(`${path} has no line ${start}. Its last line is ${lines.length}.`);
        const last = Math.min(end ?? start + defaultLines - 1, lines.length);
        if (last < start) return failed(`The last line (${end}) is before the first line (${start}).`);
        const numbered = lines.slice(start - 1, last).map((line, i) => `${start + i}\t${line}`);
        const rest = last < lines.length || start > 1 ? `\n(Lines ${start} to ${last} of ${lines.length}.)` : '';
        const text = cut(numbered.join('\n'), limits.toolResultChars - 100);
        return done(text + rest, { reads: [{ path, hash: file.hash }] });
      }
    }
  },
});

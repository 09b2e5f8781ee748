import * as z from 'zod';
import { defineTool, done } from '../tool.ts';

/** The tool `file_search`: searches the text of the workspace. */
export const fileSearch = defineTool({
  name: 'file_search',
  description:
    'Searches the text of the files in the workspace, except for ignored files. Returns matches as path:line: text. The pattern is plain text unless isRegex is set; regular expressions use the syntax of ripgrep.',
  input: z.strictObject({
    pattern: z.string().min(1).max(1000),
    isRegex: z.boolean().default(false),
    caseSensitive: z.boolean().default(false),
    include: z
      .array(z.string().min(1).max(500))
      .max(20)
      .default([])
      .describe('Globs such as **/*.ts. Default: all files.'),
    limit: z.int().min(1).max(500).default(100),
  }),
  readOnly: true,
  async run(input, context) {
    const workspace = await context.workspace();
    const { matches, truncated } = await workspace.search(input, context.signal);
    if (matches.length === 0) return done('No matches.');
    const lines = matches.map(({ path, line, text }) => `${path}:${line}: ${text}`);
    return done(lines.join('\n') + (truncated ? '\n(There are more matches. Narrow the search.)' : ''));
  },
});

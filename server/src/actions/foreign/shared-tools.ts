import * as z from 'zod';
import type { Workspace } from '../../workspace/workspace.ts';
import type { Tool } from '../tool.ts';
import { foreignName, foreignTool } from './foreign-tool.ts';
import { readParts } from './mcp/result.ts';

/** The JSON input of a call. */
const LentToolInput = z.record(z.string(), z.json());

/** Returns the tools of other extensions that a window shares. A restricted workspace has none. */
export async function sharedTools({ restricted, tools, callTool }: Workspace): Promise<Tool[]> {
  if (restricted || !callTool || !tools || tools.length === 0) return [];
  const { inputSchemaOf } = await import('./mcp/schema.ts');
  return tools.flatMap(({ name, description, inputSchema: written }) => {
    // A tool without input may have no schema.
    const inputSchema = inputSchemaOf(written ?? { type: 'object', properties: {} });
    if (typeof inputSchema === 'string') return [];
    return foreignTool({
      name: foreignName('vscode__', name),
      owner: 'another VS Code extension',
      title: name,
      description,
      inputSchema,
      source: `${name} (VS Code)`,
      call: async (input, context) => {
        const { text, images } = await callTool({ name, input: LentToolInput.parse(input) }, context.signal);
        const parts = images.map(({ mediaType, data }) => ({ type: 'image', data, mimeType: mediaType }));
        return { ok: true, ...(await readParts([{ type: 'text', text }, ...parts], context)) };
      },
    });
  });
}

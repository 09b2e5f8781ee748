import { ProblemError } from '@devlm/protocol/problem.ts';
import * as z from 'zod';
import { deniedByRules, deniedByUser, isAllowed, judge, permit } from '../../policy/permission.ts';
import { untrustedText } from '../../policy/untrusted.ts';
import { cut, defineTool, done, failed, type Tool, type ToolContext } from '../../tool.ts';
import { foreignTool, printable } from '../foreign-tool.ts';
import type { NamedServer } from './config.ts';
import type { Connection } from './connection.ts';
import { readParts } from './result.ts';

/** Maximum time to wait for the tools of a server that the user has agreed to start, in milliseconds. */
const startWaitMs = 60_000;
/** Maximum length of a progress report of a server, in UTF-16 code units. */
const maxProgressChars = 300;
/** Maximum number of progress reports that are shown per call. */
const maxProgressReports = 200;

/** Returns the tools of a server. A call starts the server again if it does not run. */
export function mcpTools(connection: Connection): Tool[] {
  const { name: server } = connection.server;
  return connection.tools.map((tool) =>
    foreignTool({
      ...tool,
      owner: `the MCP server "${server}"`,
      source: server,
      call: async (input, context) => {
        let reports = 0;
        const onProgress = (text: string) => {
          if (reports++ < maxProgressReports) context.output(`${printable(text).slice(0, maxProgressChars)}\n`);
        };
        const result = await connection.call(tool.title, input, onProgress, context.signal);
        const { text, images } = await readParts(result.content, context);
        const structured = text === '' && images.length === 0 && result.structuredContent !== undefined;
        return {
          ok: !result.isError,
          text: structured ? JSON.stringify(result.structuredContent) : text,
          images,
        };
      },
    }),
  );
}

const ResourceRow = z.object({
  uri: z.string().max(10_000).optional(),
  uriTemplate: z.string().max(10_000).optional(),
  name: z.string().max(1000).default(''),
  mimeType: z.string().max(200).optional(),
  description: z.string().max(100_000).default(''),
});

/** Returns the tool `mcp_resource`, which lists and reads the resources of servers. */
export function resourceTool(connections: readonly Connection[]): Tool {
  const names = connections.map(({ server }) => server.name);
  return defineTool({
    name: 'mcp_resource',
    description: `Reads a resource of an MCP server, or lists its resources if no uri is given. Servers: ${names.map((name) => JSON.stringify(name)).join(', ')}.`,
    input: z.strictObject({ server: z.string().max(100), uri: z.string().min(1).max(10_000).optional() }),
    readOnly: false,
    async run({ server, uri }, context) {
      const connection = connections.find((candidate) => candidate.server.name === server);
      if (!connection)
        return failed(`There is no MCP server ${JSON.stringify(server)}. The servers are ${names.join(', ')}.`);
      const refused = await permit(
        context,
        await context.workspace(),
        { tool: 'mcp_resource', effect: 'external' },
        () => ({
          title: `Read from the MCP server "${server}"`.slice(0, 200),
          detail: uri ?? 'the list of its resources',
          format: 'text',
        }),
      );
      if (refused) return refused;
      const details = { untrusted: [{ kind: 'mcp' as const, name: server }] };
      try {
        const mark = (text: string) => untrustedText('tool_result', { from: `the MCP server "${server}"` }, text);
        if (uri === undefined) return done(mark(await list(connection, context.signal)), details);
        const contents = await connection.ask((session, signal) => session.read(uri, signal), context.signal);
        const parts = contents.map((resource) => ({ type: 'resource', resource }));
        const { text, images } = await readParts(parts, context);
        return done(mark(cut(context.secrets.hide(text.toWellFormed()))), {
          ...details,
          ...(images.length > 0 ? { images } : {}),
        });
      } catch (error) {
        context.signal.throwIfAborted();
        if (error instanceof ProblemError) return failed(cut(error.problem.detail, 4_000), details);
        throw error;
      }
    },
  });
}

async function list(connection: Connection, signal: AbortSignal): Promise<string> {
  const rows = await connection.ask(
    async (session, askSignal) => [
      ...(await session.resources(askSignal)),
      // Many servers have no templates and report an error instead of an empty list.
      ...(await session.resourceTemplates(askSignal).catch(() => [])),
    ],
    signal,
  );
  const lines = rows.flatMap((row) => {
    const { data } = ResourceRow.safeParse(row);
    const uri = data?.uri ?? data?.uriTemplate;
    if (!data || uri === undefined) return [];
    const more = [data.name, data.mimeType ?? '', data.description.slice(0, 200)].filter((text) => text !== '');
    return [printable(`${uri}  ${more.join(', ')}`).replaceAll('\n', ' ')];
  });
  return lines.length > 0 ? lines.join('\n') : 'It has no resources.';
}

/**
 * Returns the tool `mcp_start`, which starts a server of the workspace once the user has agreed to this configuration.
 *
 * @param agree stores the agreement and starts the server
 */
export function startTool(
  waiting: readonly NamedServer[],
  agree: (server: NamedServer, signal: AbortSignal) => Promise<Connection>,
): Tool {
  const names = waiting.map(({ name }) => JSON.stringify(name)).join(', ');
  return defineTool({
    name: 'mcp_start',
    description: `Starts an MCP server that the workspace configures and that the user has not allowed yet: ${names}. The user is asked first; afterwards the server's tools are available. Use it when the task needs such a server.`,
    input: z.strictObject({ server: z.string().max(100) }),
    readOnly: false,
    async run({ server: name }, context: ToolContext) {
      const server = waiting.find((candidate) => candidate.name === name);
      if (!server) return failed(`There is no such server. The servers are ${names}.`);
      // A rule can deny it, but none can allow it, because that would allow whatever a file says.
      const { verdict, reason } = judge(context, await context.workspace(), { tool: 'mcp_start', effect: 'external' });
      if (verdict === 'deny') return deniedByRules(reason);
      const answer = await context.ask({
        kind: 'approval',
        title: `Start the MCP server "${name}"`.slice(0, 200),
        reason:
          'A file of this workspace configures this server. DevLM does not ask again until the configuration changes.',
        detail: server.shown.slice(0, 100_000),
        format: server.target.kind === 'stdio' ? 'command' : 'url',
        rule: null,
      });
      if (!isAllowed(answer)) return deniedByUser(answer);
      await context.begin({});
      const soon = AbortSignal.any([context.signal, AbortSignal.timeout(startWaitMs)]);
      const connection = await agree(server, soon).catch((error: unknown) => {
        context.signal.throwIfAborted();
        if (soon.aborted) return null;
        throw error;
      });
      if (!connection) return failed('The server is still starting. Its tools will be available in a later turn.');
      const tools = connection.tools.map((tool) => tool.name);
      return done(
        `The server is running. ${tools.length > 0 ? `Its tools: ${tools.join(', ')}.` : 'It has no tools.'}`,
      );
    },
  });
}

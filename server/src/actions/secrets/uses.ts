import type { EditorFile } from '@devlm/protocol/editor.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Workspace } from '../../workspace/workspace.ts';
import type { Web } from '../web/web.ts';
import { mapTexts } from './hidden-event.ts';
import type { Secrets } from './secrets.ts';
import { isEnvFile } from './values.ts';

/*
 * Where credentials come into a conversation and leave it again: what tools read is hidden, and what they act with
 * is resolved, at the last moment and nowhere else. The person was asked about the placeholder by then.
 */

/** Where the variables of a project usually are. */
const envFiles = ['.env', '.env.local', '.env.development', '.env.production', '.env.staging', '.env.test', '.envrc'];
/** A window that does not answer must not hold back a message for long, milliseconds. */
const envWaitMs = 2_000;
/** Folders of a workspace whose variables are read. */
const envFolders = 10;

/** Learns the `.env` files at the top of a workspace and what MCP servers are given, before anything prints them. */
export async function learnEnvFiles(workspace: Workspace, secrets: Secrets, signal: AbortSignal): Promise<void> {
  const stop = AbortSignal.any([signal, AbortSignal.timeout(envWaitMs)]);
  const { folders, mcp } = workspace;
  for (const [name, value] of Object.entries(mcp?.variables ?? {})) secrets.addVariable(name, value);
  const roots = folders.length > 1 ? folders.slice(0, envFolders).map(({ name }) => `${name}/`) : [''];
  await Promise.all(
    roots.flatMap((root) =>
      envFiles.map(async (name) => {
        const file = await workspace.read(root + name, stop).catch(() => null);
        if (file?.kind === 'text') secrets.addEnvFile(file.text);
      }),
    ),
  );
  signal.throwIfAborted();
}

/** The text with its credentials. @throws ProblemError `secret_unknown` */
export function revealed(secrets: Secrets, text: string, put?: (value: string) => string): string {
  const real = secrets.restore(text, put);
  if (real !== null) return real;
  const detail =
    'It has a placeholder of a credential that is not known (any more). Read the file that the credential is in again, or ask the person for it.';
  throw new ProblemError({ code: 'secret_unknown', status: 409, title: 'Unknown credential', detail });
}

/** The value with the credentials in all its texts. @throws ProblemError `secret_unknown` */
export function revealedIn(secrets: Secrets, value: unknown): unknown {
  return mapTexts(value, (text) => revealed(secrets, text));
}

/** What stands for itself in a shell wherever it stands. */
const shellSafe = /^(?!-)[\w@%+=:,./-]*$/;

/** A command line with its credentials, none of which may become a part of the command. */
function revealedLine(secrets: Secrets, line: string): string {
  return revealed(secrets, line, (value) => {
    if (shellSafe.test(value)) return value;
    const detail =
      'The credential has characters that a shell would take for its own. Give it to the command by stdin, or let the command read the file that it is in.';
    throw new ProblemError({ code: 'secret_unusable', status: 409, title: 'Not usable in a command', detail });
  });
}

/** An address with its credentials, which cannot lead to another host. */
function revealedAddress(secrets: Secrets, address: string): string {
  const real = revealed(secrets, address, encodeURIComponent);
  if (real === address || (URL.canParse(address) && new URL(real).host === new URL(address).host)) return real;
  const detail = 'A placeholder cannot stand in the name of a host.';
  throw new ProblemError({ code: 'secret_unusable', status: 409, title: 'Not usable in an address', detail });
}

/** Returns the text of a file as the model may see it. The values of a `.env` file are learnt from the text first. */
export function hiddenText(secrets: Secrets, path: string, text: string): string {
  if (isEnvFile(path)) secrets.addEnvFile(text);
  return secrets.hide(text);
}

/**
 * A workspace in which no credential is seen: edits are made on what the model sees, and commands get the real values.
 * `apply` takes texts as they are to be.
 */
export function hidingWorkspace(workspace: Workspace, secrets: Secrets): Workspace {
  const { commands } = workspace;
  const hide = (text: string) => secrets.hide(text);
  const hiddenFile = (path: string, file: EditorFile): EditorFile =>
    file.kind === 'text' ? { ...file, text: hiddenText(secrets, path, file.text) } : file;
  return {
    restricted: workspace.restricted,
    folders: workspace.folders,
    rules: workspace.rules,
    ...(workspace.acceptsEdits === undefined ? {} : { acceptsEdits: workspace.acceptsEdits }),
    ...(workspace.mcp ? { mcp: workspace.mcp } : {}),
    ...(workspace.tools ? { tools: workspace.tools } : {}),
    ...(workspace.mapTokens === undefined ? {} : { mapTokens: workspace.mapTokens }),
    read: async (path, signal) => hiddenFile(path, await workspace.read(path, signal)),
    apply: async (changes, signal) => {
      const answer = await workspace.apply(changes, signal);
      return {
        ...answer,
        conflicts: answer.conflicts.map(({ path, file }) => ({ path, file: hiddenFile(path, file) })),
      };
    },
    list: (asked, signal) => workspace.list(asked, signal),
    search: async (asked, signal) => {
      const { matches, truncated } = await workspace.search(asked, signal);
      return { matches: matches.map((match) => ({ ...match, text: hide(match.text) })), truncated };
    },
    ...(workspace.noSettings === undefined ? {} : { noSettings: workspace.noSettings }),
    ...(workspace.diagnostics ? { diagnostics: workspace.diagnostics.bind(workspace) } : {}),
    ...(commands
      ? {
          commands: {
            windowId: commands.windowId,
            shell: commands.shell,
            isOpen: (windowId) => commands.isOpen(windowId),
            start: async (windowId, asked, signal) => {
              let real: Pick<typeof asked, 'line' | 'stdin'>;
              try {
                real = { line: revealedLine(secrets, asked.line), stdin: revealed(secrets, asked.stdin) };
              } catch (unknown) {
                // An earlier server may have started it.
                const started = { commandId: asked.commandId, after: 0, waitMs: 0 };
                return await commands.poll(windowId, started, signal).catch((error: unknown) => {
                  throw error instanceof ProblemError && error.problem.code === 'not_found' ? unknown : error;
                });
              }
              return commands.start(windowId, { ...asked, ...real }, signal);
            },
            poll: (windowId, asked, signal) => commands.poll(windowId, asked, signal),
            write: async (windowId, asked, signal) =>
              commands.write(windowId, { ...asked, text: revealed(secrets, asked.text) }, signal),
            stop: (windowId, asked, signal) => commands.stop(windowId, asked, signal),
          },
        }
      : {}),
    ...(workspace.symbols ? { symbols: workspace.symbols.bind(workspace) } : {}),
    ...(workspace.callTool ? { callTool: workspace.callTool.bind(workspace) } : {}),
  };
}

/** The web, whose pages show no credential, and where an address may have one. */
export function hidingWeb({ pages, search }: Web, secrets: Secrets): Web {
  const hide = (text: string) => secrets.hide(text);
  return {
    pages: {
      read: async (address, permitRedirect, signal) => {
        const page = await pages.read(revealedAddress(secrets, address), permitRedirect, signal);
        return { ...page, url: hide(page.url), title: hide(page.title), text: hide(page.text) };
      },
    },
    search,
  };
}

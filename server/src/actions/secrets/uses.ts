import type { EditorFile } from '@devlm/protocol/editor.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Workspace } from '../../workspace/workspace.ts';
import type { Web } from '../web/web.ts';
import { mapTexts } from './hidden-event.ts';
import type { Secrets } from './secrets.ts';
import { isEnvFile } from './values.ts';

/*
 * The places where credentials enter and leave a conversation. Credentials in text that tools read are hidden, and
 * placeholders in their actions are resolved at the last moment, after the user was asked about the text with the
 * placeholder.
 */

/** File names that usually hold the environment variables of a project. */
const envFiles = ['.env', '.env.local', '.env.development', '.env.production', '.env.staging', '.env.test', '.envrc'];
/**
 * Time limit for reading the `.env` files, so that an unresponsive window does not delay a message, in milliseconds.
 */
const envReadTimeoutMs = 2_000;
/** Maximum number of workspace folders whose `.env` files are read. */
const maxEnvFolders = 10;

/** Learns the `.env` files at the top of a workspace and the variables of MCP servers, before anything prints them. */
export async function learnEnvFiles(workspace: Workspace, secrets: Secrets, signal: AbortSignal): Promise<void> {
  const stop = AbortSignal.any([signal, AbortSignal.timeout(envReadTimeoutMs)]);
  const { folders, mcp } = workspace;
  for (const [name, value] of Object.entries(mcp?.variables ?? {})) secrets.addVariable(name, value);
  const roots = folders.length > 1 ? folders.slice(0, maxEnvFolders).map(({ name }) => `${name}/`) : [''];
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

/**
 * Returns the text with its placeholders replaced by the credentials.
 *
 * @param put encodes a value for the place where it is inserted
 * @throws ProblemError `secret_unknown`
 */
export function revealSecrets(secrets: Secrets, text: string, put?: (value: string) => string): string {
  const real = secrets.restore(text, put);
  if (real !== null) return real;
  const detail =
    'The input contains a placeholder for a credential that DevLM does not know or no longer knows. Read the file with the credential again, or ask the user for it.';
  throw new ProblemError({ code: 'secret_unknown', status: 409, title: 'Unknown credential', detail });
}

/** Returns the value with the placeholders in all its strings resolved. @throws ProblemError `secret_unknown` */
export function revealSecretsIn(secrets: Secrets, value: unknown): unknown {
  return mapTexts(value, (text) => revealSecrets(secrets, text));
}

/** Matches text that a shell takes literally wherever it occurs. */
const shellSafe = /^(?!-)[\w@%+=:,./-]*$/;

/**
 * Returns a command line with its placeholders resolved.
 *
 * @throws ProblemError `secret_unusable` if the shell would interpret a part of a credential
 */
function revealLine(secrets: Secrets, line: string): string {
  return revealSecrets(secrets, line, (value) => {
    if (shellSafe.test(value)) return value;
    const detail =
      'The credential contains characters that a shell would interpret. Pass it to the command by stdin, or let the command read the file that contains it.';
    throw new ProblemError({
      code: 'secret_unusable',
      status: 409,
      title: 'Credential not usable in a command',
      detail,
    });
  });
}

/**
 * Returns an address with its placeholders resolved.
 *
 * @throws ProblemError `secret_unusable` if the result has another host
 */
function revealAddress(secrets: Secrets, address: string): string {
  const real = revealSecrets(secrets, address, encodeURIComponent);
  if (real === address || (URL.canParse(address) && new URL(real).host === new URL(address).host)) return real;
  const detail = 'A placeholder cannot be part of a host name. Put it elsewhere in the address.';
  throw new ProblemError({
    code: 'secret_unusable',
    status: 409,
    title: 'Credential not usable in a host name',
    detail,
  });
}

/** Returns the text of a file as the model may see it. The values of a `.env` file are learned from the text first. */
export function hideFileText(secrets: Secrets, path: string, text: string): string {
  if (isEnvFile(path)) secrets.addEnvFile(text);
  return secrets.hide(text);
}

/**
 * Returns a view of a workspace that shows no credentials. Edits are computed on the text that the model sees, and
 * commands get the real values. `apply` expects texts that are already resolved.
 */
export function hidingWorkspace(workspace: Workspace, secrets: Secrets): Workspace {
  const { commands } = workspace;
  const hide = (text: string) => secrets.hide(text);
  const hiddenFile = (path: string, file: EditorFile): EditorFile =>
    file.kind === 'text' ? { ...file, text: hideFileText(secrets, path, file.text) } : file;
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
    list: (request, signal) => workspace.list(request, signal),
    search: async (request, signal) => {
      const { matches, truncated } = await workspace.search(request, signal);
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
            start: async (windowId, request, signal) => {
              let real: Pick<typeof request, 'line' | 'stdin'>;
              try {
                real = { line: revealLine(secrets, request.line), stdin: revealSecrets(secrets, request.stdin) };
              } catch (unknown) {
                // An earlier server may have started the command.
                const started = { commandId: request.commandId, after: 0, waitMs: 0 };
                return await commands.poll(windowId, started, signal).catch((error: unknown) => {
                  throw error instanceof ProblemError && error.problem.code === 'not_found' ? unknown : error;
                });
              }
              return commands.start(windowId, { ...request, ...real }, signal);
            },
            poll: (windowId, request, signal) => commands.poll(windowId, request, signal),
            write: async (windowId, request, signal) =>
              commands.write(windowId, { ...request, text: revealSecrets(secrets, request.text) }, signal),
            stop: (windowId, request, signal) => commands.stop(windowId, request, signal),
          },
        }
      : {}),
    ...(workspace.symbols ? { symbols: workspace.symbols.bind(workspace) } : {}),
    ...(workspace.callTool ? { callTool: workspace.callTool.bind(workspace) } : {}),
  };
}

/** Returns a view of the web whose pages show no credentials, and whose addresses may contain placeholders. */
export function hidingWeb({ pages, search }: Web, secrets: Secrets): Web {
  const hide = (text: string) => secrets.hide(text);
  return {
    pages: {
      read: async (address, permitRedirect, signal) => {
        const page = await pages.read(revealAddress(secrets, address), permitRedirect, signal);
        return { ...page, url: hide(page.url), title: hide(page.title), text: hide(page.text) };
      },
    },
    search,
  };
}

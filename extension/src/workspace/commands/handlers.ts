import { stat } from 'node:fs/promises';
import { type Folder, placeOf } from '../places.ts';
import { refusals } from '../problems.ts';
import type { Handlers } from '../requests.ts';
import type { CommandRunner } from './command-runner.ts';

/** Options of `commandHandlers`. */
export interface CommandHandlersOptions {
  readonly commands: CommandRunner;
  readonly folders: () => readonly Folder[];
  readonly trusted: () => boolean;
}

/** Returns the handlers of command requests. Commands only start in a trusted workspace and inside its folders. */
export function commandHandlers({
  commands,
  folders,
  trusted,
}: CommandHandlersOptions): Pick<Handlers, Extract<keyof Handlers, `command.${string}`>> {
  return {
    'command.start': async (request) => {
      if (!trusted()) throw refusals.restricted();
      return commands.start(request, await workingFolder(request.cwd, folders()));
    },
    'command.poll': async ({ commandId, after, waitMs }, signal) =>
      await commands.poll(commandId, after, waitMs, signal),
    'command.write': async ({ commandId, text, end }) => commands.write(commandId, text, end),
    'command.stop': async ({ commandId }) => await commands.stop(commandId),
    'command.stopAll': async ({ conversationId }) => await commands.stopAll(conversationId),
  };
}

async function workingFolder(cwd: string | null, folders: readonly Folder[]): Promise<string> {
  const uri = (cwd === null ? undefined : await placeOf(cwd, folders))?.uri ?? folders[0]?.uri;
  if (uri?.scheme !== 'file') throw refusals.noLocalFolder();
  const isFolder = await stat(uri.fsPath).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw refusals.notFolder(cwd ?? '.');
  return uri.fsPath;
}

import { CommandLine } from '@devlm/protocol/commands.ts';
import { limits } from '@devlm/protocol/limits.ts';
import * as z from 'zod';
import { actionOf, firstOutputMs, permitCommand, runDirectly } from '../effects/command-runs.ts';
import { rehearse } from '../effects/rehearsal.ts';
import { judge } from '../policy/permission.ts';
import { defineTool, failed } from '../tool.ts';
import { PathInput } from './inputs.ts';

/** Default time to wait for a command before it continues in the background, in milliseconds. */
const defaultWaitMs = 120_000;

/** The tool `run_command`: runs a command on the user's machine, or rehearses it in the sandbox. */
export const runCommand = defineTool({
  name: 'run_command',
  description:
    "Runs a shell command on the user's machine, in the workspace, without a terminal. The user may be asked first. " +
    'Returns the exit code, the time and both outputs; the middle of a long output is omitted. ' +
    'Use background for servers and watchers: the call returns at once, you are told later what they print, and command_control reads from, writes to, stops or restarts them. ' +
    'A command that takes longer than timeoutMs continues in the background. ' +
    'With rehearse, and always if no editor is attached, it runs in the sandbox, in a copy of the workspace without network access and without ignored files, and the changes it made are then offered to the user: use that for commands that rewrite files. ' +
    'To read, search or change files, use the file tools.',
  input: z.strictObject({
    command: CommandLine.describe('A command line for bash (PowerShell on Windows).'),
    cwd: PathInput.optional().describe('Folder of the workspace to run it in. Default: the workspace.'),
    timeoutMs: z.int().min(100).max(600_000).optional(),
    background: z.boolean().default(false),
    stdin: z.string().max(limits.commandInputChars).default('').describe('Text for its standard input.'),
    rehearse: z.boolean().default(false),
  }),
  readOnly: false,
  async run({ timeoutMs, background, rehearse: wanted, ...commandRequest }, context) {
    const workspace = await context.workspace();
    const { commands, restricted } = workspace;
    if (restricted) return failed('Commands are not available in this workspace.');
    const { begun } = context;
    if (!begun && commandRequest.cwd !== undefined && commandRequest.cwd !== '.') {
      const { kind } = await workspace.read(commandRequest.cwd, context.signal);
      if (kind !== 'folder') return failed(`cwd: ${commandRequest.cwd} is not a folder of the workspace.`);
    }
    if (!commands || !begun?.command) {
      // Commands never run on the server itself: without a window, the command is rehearsed.
      const action = actionOf('run_command', commandRequest, commands ?? { shell: 'sh' });
      const { verdict } = judge(context, workspace, action);
      const rehearsed = begun || verdict === 'rehearse' || ((wanted || !commands) && verdict !== 'deny');
      if (!rehearsed || (context.usesSecrets && !begun)) {
        const refused = await permitCommand(context, workspace, action, commandRequest);
        if (refused) return refused;
      }
      if (rehearsed) return rehearse(context, { ...commandRequest, timeoutMs });
    }
    return runDirectly(context, commandRequest, {
      background,
      waitMs: background ? firstOutputMs : (timeoutMs ?? defaultWaitMs),
    });
  },
});

import type { CommandNews, CommandOutput } from '@devlm/protocol/commands.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as z from 'zod';
import { type Commands, newsOf, outputWords, stateWords } from '../../workspace/commands.ts';
import { actionOf, firstOutputMs, permitCommand, runDirectly, windowGone } from '../effects/command-runs.ts';
import { permit } from '../policy/permission.ts';
import { defineTool, done, failed, type ToolContext, type ToolOutcome } from '../tool.ts';

/** Time to wait for output after writing to a command, in milliseconds. */
const replyWaitMs = 1_000;

/** The tool `command_control`: reads, writes to, stops or restarts a background command. */
export const commandControl = defineTool({
  name: 'command_control',
  description:
    'Reads the output of a background command that you have not seen yet (waiting up to waitMs for something new), writes to its input, stops it and everything it started, or restarts it under a new id.',
  input: z.strictObject({
    id: z.string().max(64).describe('The id that run_command returned.'),
    action: z.enum(['read', 'write', 'stop', 'restart']),
    text: z
      .string()
      .max(limits.commandInputChars)
      .default('')
      .describe('The text to write, including the line ending.'),
    end: z.boolean().default(false).describe('Closes the input after the text.'),
    waitMs: z.int().min(0).max(60_000).default(0),
  }),
  readOnly: false,
  async run({ id, action, text, end, waitMs }, context) {
    const { commands, restricted } = await context.workspace();
    if (!commands || restricted) return failed('Commands are not available in this workspace.');
    const known = context.commands.get(id);
    if (!known) {
      const names = [...context.commands.values()].map((command) => `${command.id} (${command.line.slice(0, 100)})`);
      return failed(
        `There is no command ${id}. ${names.length > 0 ? `The commands are: ${names.join(', ')}.` : 'No command was started.'}`,
      );
    }
    try {
      switch (action) {
        case 'read':
          return outcomeOf(known, await pollNew(context, commands, known, waitMs));
        case 'write':
          return await write(context, commands, known, text, end);
        case 'stop':
          await commands.stop(known.windowId, { commandId: id }, context.signal);
          return outcomeOf(known, await pollNew(context, commands, known, 0));
        case 'restart':
          return await restart(context, commands, known);
      }
    } catch (error) {
      context.signal.throwIfAborted();
      if (!(error instanceof ProblemError) || error.problem.code !== 'editor_gone') throw error;
      return failed(windowGone, { command: { ...known, state: 'ended' } });
    }
  },
});

/** Waits until there is output that the model has not seen, or the time is over, and returns that output. */
async function pollNew(
  { signal }: ToolContext,
  commands: Commands,
  { id, windowId, seen }: CommandNews,
  waitMs: number,
): Promise<CommandOutput> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const remainingMs = Math.max(0, deadline - performance.now());
    const pollRequest = { commandId: id, after: seen, waitMs: Math.min(limits.commandPollMs, Math.ceil(remainingMs)) };
    const output = await commands.poll(windowId, pollRequest, signal);
    if (output.chunks.length > 0 || output.state === 'ended' || performance.now() >= deadline) return output;
  }
}

function outcomeOf(known: CommandNews, output: CommandOutput): ToolOutcome {
  const text = `The command ${stateWords(output)}. New output:\n${outputWords(output, known.seen)}`;
  return done(text, { command: newsOf(known, output, output.next) });
}

/**
 * Writes to a command's input. This requires permission like a command, because a program may do anything with its
 * input.
 */
async function write(
  context: ToolContext,
  commands: Commands,
  known: CommandNews,
  text: string,
  end: boolean,
): Promise<ToolOutcome> {
  if (text === '' && !end) return failed('There is nothing to write. Give a text.');
  const { id, windowId, line } = known;
  if (context.begun)
    return failed(
      'The server was restarted during this call, and it is not known whether the text was written. Read the output of the command.',
    );
  const refused = await permit(context, await context.workspace(), { tool: 'command_control', effect: 'run' }, () => ({
    title: `Write to ${line}`.slice(0, 200),
    detail: text.slice(0, 100_000),
    format: 'command',
  }));
  if (refused) return refused;
  await context.begin({ command: { id, windowId } });
  await commands.write(windowId, { commandId: id, text, end }, context.signal);
  return outcomeOf(known, await pollNew(context, commands, known, replyWaitMs));
}

async function restart(context: ToolContext, commands: Commands, known: CommandNews): Promise<ToolOutcome> {
  const commandRequest = { command: known.line, cwd: known.cwd ?? undefined, stdin: '' };
  if (!context.begun) {
    const action = actionOf('run_command', commandRequest, commands);
    const refused = await permitCommand(context, await context.workspace(), action, commandRequest);
    if (refused) return refused;
  }
  if (commands.isOpen(known.windowId))
    await commands.stop(known.windowId, { commandId: known.id }, context.signal).catch(ignoreNotFound);
  return runDirectly(context, commandRequest, { background: true, waitMs: firstOutputMs });
}

/** Ignores that a command no longer exists: it need not be stopped. */
function ignoreNotFound(error: unknown): void {
  if (!(error instanceof ProblemError) || error.problem.code !== 'not_found') throw error;
}

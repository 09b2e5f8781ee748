import type { CommandNews } from '@devlm/protocol/commands.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { TurnNote, TurnState } from '@devlm/protocol/state.ts';
import type { Secrets } from '../actions/secrets/secrets.ts';
import { cut } from '../actions/tool.ts';
import { newsOf, outputWords, stateWords } from '../workspace/commands.ts';
import type { Workspace } from '../workspace/workspace.ts';
import type { TurnLog } from './turn-log.ts';

/** Maximum length of one command's new output in a note, in UTF-16 code units. */
const maxOutputChars = 4_000;
/** Timeout for a window to report what its commands did, in milliseconds. */
const newsTimeoutMs = 3_000;

/** Returns the commands that a branch has started, by id, in the state that the model knows. */
export function commandsOf(branch: readonly TurnState[]): Map<string, CommandNews> {
  const known = new Map<string, CommandNews>();
  for (const { steps, notes = [] } of branch) {
    for (const [index, { results }] of steps.entries()) {
      for (const command of notedCommands(notes, index)) known.set(command.id, command);
      for (const { details } of Object.values(results))
        if (details?.command) known.set(details.command.id, details.command);
    }
    for (const command of notedCommands(notes, steps.length)) known.set(command.id, command);
  }
  return known;
}

/** Returns the commands that were reported to the model before a step. */
function notedCommands(notes: readonly TurnNote[], index: number): readonly CommandNews[] {
  return notes.flatMap((note) => (note.kind === 'commands' && note.step === index ? note.commands : []));
}

/**
 * Tells the model what its background commands did since the last note about them. Commands that cannot be polled are
 * left for the next step.
 */
export async function noteCommands(
  log: TurnLog,
  { workspace: workspaceOf, secrets }: { workspace: (signal: AbortSignal) => Promise<Workspace>; secrets: Secrets },
  signal: AbortSignal,
): Promise<void> {
  const running = [...commandsOf(log.branch).values()].filter(({ state }) => state === 'running');
  // A server tool of the provider continues its call: nothing may be inserted before that.
  const paused = log.turn?.steps.findLast(({ status }) => status !== 'abandoned')?.stopReason === 'pause_turn';
  if (running.length === 0 || paused) return;
  const during = AbortSignal.any([signal, AbortSignal.timeout(newsTimeoutMs)]);
  const { commands } = await workspaceOf(during).catch(() => ({ commands: undefined }));
  if (!commands) return;
  const notes = await Promise.all(
    running.slice(-limits.commands).map(async (known) => {
      if (!commands.isOpen(known.windowId)) return null;
      const query = { commandId: known.id, after: known.seen, waitMs: 0 };
      try {
        const output = await commands.poll(known.windowId, query, during);
        if (output.state === 'running' && output.chunks.length === 0) return null;
        const what = `The background command ${known.id} (${known.line.slice(0, 200)})`;
        const text = `${what} ${stateWords(output)}. New output:\n${cut(secrets.hide(outputWords(output, known.seen)), maxOutputChars)}`;
        return { text, news: newsOf(known, output, output.next) };
      } catch (error) {
        if (error instanceof ProblemError || during.aborted) return null;
        throw error;
      }
    }),
  );
  signal.throwIfAborted();
  const newNotes = notes.filter((note) => note !== null);
  if (newNotes.length === 0) return;
  const text = `<commands>\n${newNotes.map((note) => note.text.replaceAll('</commands', '<\\/commands')).join('\n\n')}\n</commands>`;
  log.write({ type: 'commands.noted', turnId: log.turnId, text, commands: newNotes.map(({ news }) => news) });
  await log.flush();
}

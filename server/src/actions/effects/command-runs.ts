import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandNews, CommandOutput, CommandRef } from '@devlm/protocol/commands.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ToolDetails, UntrustedSource } from '@devlm/protocol/tools.ts';
import { type Commands, newsOf, outputWords, readable, stateWords } from '../../workspace/commands.ts';
import type { Workspace } from '../../workspace/workspace.ts';
import { permit } from '../policy/permission.ts';
import { fetchesText } from '../policy/programs.ts';
import { protectedBecause } from '../policy/protected.ts';
import { type Action, pathsOutside } from '../policy/rules.ts';
import { analyzeShell } from '../policy/shell.ts';
import { done, failed, type ToolContext, type ToolOutcome } from '../tool.ts';

/*
 * A command on the person's machine: what the rules and the person are asked, and its way from the start
 * to its result.
 */

/** How long a background command is listened to for its first words, milliseconds. */
export const firstWordsMs = 2_000;
/** Between two looks at a command that prints all the time, milliseconds. */
const breathMs = 100;
/** Of what a command prints while it runs, so much is shown live, in UTF-16 code units. */
const liveChars = 200_000;
/** Longest wait for a window to end a command, milliseconds. */
const stopMs = 10_000;
/** Sources of untrusted text that are named of one command. */
const namedSources = 10;

/** What is to be run. */
export interface AskedCommand {
  readonly command: string;
  /** A folder of the workspace; default: the workspace. */
  readonly cwd?: string | undefined;
  readonly stdin: string;
}

/** What a command does, for the rules. */
export function actionOf(
  tool: string,
  { command, cwd, stdin }: AskedCommand,
  { shell }: Pick<Commands, 'shell'>,
): Action {
  const { commands, redirects, unknown, source } = analyzeShell(command, shell);
  const delicate = cwd !== undefined && (pathsOutside(['cd', cwd]).length > 0 || protectedBecause(`${cwd}/x`) !== null);
  return {
    tool,
    effect: 'run',
    command: {
      source,
      commands,
      // Seen from the workspace, as the rules know files.
      redirects: redirects.map(({ target, writes }) => ({
        target: target === null || cwd === undefined || /^[\\/~]|^[A-Za-z]:/.test(target) ? target : `${cwd}/${target}`,
        writes,
      })),
      unknown: [
        ...unknown,
        ...(stdin === '' ? [] : ['What the command does with its input']),
        ...(delicate ? [`What a command does in ${cwd}`] : []),
      ],
    },
  };
}

/** Lets a command through, or answers the result that says why not. The person sees all that decides what it does. */
export function permitCommand(
  context: ToolContext,
  workspace: Workspace,
  action: Action,
  { command, cwd, stdin }: AskedCommand,
): Promise<ToolOutcome | null> {
  const input = stdin === '' ? '' : `\n\n# with this input:\n${stdin}`;
  const more = '\n[... more than can be shown ...]';
  const detail = command + input;
  return permit(context, workspace, action, () => ({
    title: cwd === undefined ? 'Run a command' : `Run a command in ${cwd}`.slice(0, 200),
    detail: detail.length <= 100_000 ? detail : detail.slice(0, 100_000 - more.length) + more,
    format: 'command',
  }));
}

/** Where the output of a command may come from, as far as its words tell: somebody else's text may be in it. */
function untrustedIn(line: string, { shell }: Pick<Commands, 'shell'>): UntrustedSource[] {
  const sources = new Map<string, UntrustedSource>();
  const add = (kind: UntrustedSource['kind'], name: string) => sources.set(name, { kind, name: name.slice(0, 300) });
  for (const { argv } of analyzeShell(line, shell).commands) {
    const hosts = argv.flatMap((word) => (word === null ? [] : hostsIn(word)));
    for (const host of hosts) add('web', host);
    if (hosts.length === 0 && fetchesText(argv)) add('web', `the network (${argv[0]})`);
    for (const path of pathsOutside(argv)) add('outside', path);
  }
  return [...sources.values()].slice(0, namedSources);
}

function hostsIn(word: string): string[] {
  const address = /https?:\/\/\S+/i.exec(word)?.[0];
  return address !== undefined && URL.canParse(address) ? [new URL(address).hostname] : [];
}

/** The id of a call's command, by which it is found again after a crash. */
function commandIdOf({ turnId, callId }: ToolContext): string {
  return createHash('sha256').update(`command ${turnId} ${callId}`).digest('hex').slice(0, 12);
}

/** Starts a command that is allowed, unless an earlier server did, and follows it. */
export async function runDirectly(
  context: ToolContext,
  { command: line, cwd, stdin }: AskedCommand,
  { background, waitMs }: { background: boolean; waitMs: number },
): Promise<ToolOutcome> {
  const { commands } = await context.workspace();
  if (!commands) return failed('Commands cannot be run in this workspace.');
  const ref = context.begun?.command ?? { id: commandIdOf(context), windowId: commands.windowId };
  if (!context.begun?.command) await context.begin({ command: ref });
  const what = { ...ref, line, cwd: cwd ?? null };
  const untrusted = untrustedIn(line, commands);
  const detailsOf = (command: CommandNews): ToolDetails => ({
    command,
    ...(untrusted.length > 0 ? { untrusted } : {}),
  });
  try {
    const { conversationId } = context;
    const asked = { commandId: ref.id, conversationId, line, cwd: cwd ?? null, stdin, open: background };
    await commands.start(ref.windowId, asked, context.signal);
    await follow(context, commands, ref, waitMs);
    const output = await commands.poll(ref.windowId, { commandId: ref.id, after: 0, waitMs: 0 }, context.signal);
    const text = `The command ${stateWords(output)}.\n${outputWords(output)}`;
    const details = detailsOf(newsOf(what, output, output.next));
    if (output.failure !== null) return failed(text, details);
    if (output.state === 'ended') return done(text, details);
    const goesOn = background
      ? `It runs in the background as ${ref.id}.`
      : `It took longer than ${waitMs} ms and goes on in the background as ${ref.id}.`;
    return done(
      `${goesOn} You are told what it prints; command_control reads, stops or restarts it.\n${text}`,
      details,
    );
  } catch (error) {
    if (context.stopped()) {
      const stop = AbortSignal.timeout(stopMs);
      await commands.stop(ref.windowId, { commandId: ref.id }, stop).catch(() => undefined);
    }
    context.signal.throwIfAborted();
    if (!(error instanceof ProblemError) || error.problem.code !== 'editor_gone') throw error;
    const lost = { state: 'ended', exitCode: null, signal: null, stopped: false, failure: null, wallMs: 0 } as const;
    return failed(windowGone, detailsOf(newsOf(what, lost, 0)));
  }
}

export const windowGone =
  'The editor window that ran this command is gone, and the command ended with it. Whether it had finished before is not known: look at what it did before you run it again.';

/** Shows what a command prints until it ends or the time is over. */
async function follow(context: ToolContext, commands: Commands, ref: CommandRef, waitMs: number): Promise<void> {
  const { signal } = context;
  const deadline = performance.now() + waitMs;
  let after = 0;
  let shown = 0;
  for (;;) {
    const left = Math.max(0, deadline - performance.now());
    const asked = { commandId: ref.id, after, waitMs: Math.min(limits.commandPollMs, Math.ceil(left)) };
    const output: CommandOutput = await commands.poll(ref.windowId, asked, signal);
    after = output.next;
    const text = readable(output.chunks.map((chunk) => chunk.text).join(''));
    if (text !== '' && shown < liveChars) context.output(text.slice(0, liveChars - shown).toWellFormed());
    shown += text.length;
    if (output.state === 'ended' || performance.now() >= deadline) return;
    if (text !== '') await sleep(breathMs, undefined, { signal });
  }
}

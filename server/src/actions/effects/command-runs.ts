import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandNews, CommandOutput, CommandRef } from '@devlm/protocol/commands.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ToolDetails, UntrustedSource } from '@devlm/protocol/tools.ts';
import { shownText } from '@devlm/workspace-core/shown-text.ts';
import { sha256Hex } from '../../sha256.ts';
import { type Commands, newsOf, outputWords, stateWords } from '../../workspace/commands.ts';
import type { Workspace } from '../../workspace/workspace.ts';
import { permit } from '../policy/permission.ts';
import { fetchesText } from '../policy/programs.ts';
import { protectedBecause } from '../policy/protected.ts';
import { type Action, pathsOutside } from '../policy/rules.ts';
import { analyzeShell } from '../policy/shell.ts';
import { done, failed, type ToolContext, type ToolOutcome } from '../tool.ts';

/* Commands on the user's machine: the permission check, and the run of a command from its start to its result. */

/** Time to wait for the first output of a background command, in milliseconds. */
export const firstOutputMs = 2_000;
/** Pause between two polls of a command that prints continuously, in milliseconds. */
const pollPauseMs = 100;
/** Maximum amount of output shown live while a command runs, in UTF-16 code units. */
const maxLiveChars = 200_000;
/** Time limit for a window to stop a command, in milliseconds. */
const stopTimeoutMs = 10_000;
/** Maximum number of sources of untrusted text that are recorded for one command. */
const maxSources = 10;

/** A command that is to be run. */
export interface RequestedCommand {
  readonly command: string;
  /** A folder of the workspace. Default: the workspace itself. */
  readonly cwd?: string | undefined;
  /** The text for its standard input. */
  readonly stdin: string;
}

/** Returns the description of a command to which the permission rules are applied. */
export function actionOf(
  tool: string,
  { command, cwd, stdin }: RequestedCommand,
  { shell }: Pick<Commands, 'shell'>,
): Action {
  const { commands, redirects, unknown, source } = analyzeShell(command, shell);
  const isDelicateFolder =
    cwd !== undefined && (pathsOutside(['cd', cwd]).length > 0 || protectedBecause(`${cwd}/x`) !== null);
  return {
    tool,
    effect: 'run',
    command: {
      source,
      commands,
      // Relative to the workspace, as the rules name files.
      redirects: redirects.map(({ target, writes }) => ({
        target: target === null || cwd === undefined || /^[\\/~]|^[A-Za-z]:/.test(target) ? target : `${cwd}/${target}`,
        writes,
      })),
      unknown: [
        ...unknown,
        ...(stdin === '' ? [] : ['what the command does with its input']),
        ...(isDelicateFolder ? [`what a command does in ${cwd}`] : []),
      ],
    },
  };
}

/** Returns null if a command is allowed, or else the tool result that says why not. The user sees all its inputs. */
export function permitCommand(
  context: ToolContext,
  workspace: Workspace,
  action: Action,
  { command, cwd, stdin }: RequestedCommand,
): Promise<ToolOutcome | null> {
  const input = stdin === '' ? '' : `\n\n# with this input:\n${stdin}`;
  const more = '\n[... the rest is too long to show ...]';
  const detail = command + input;
  return permit(context, workspace, action, () => ({
    title: cwd === undefined ? 'Run a command' : `Run a command in ${cwd}`.slice(0, 200),
    detail: detail.length <= 100_000 ? detail : detail.slice(0, 100_000 - more.length) + more,
    format: 'command',
  }));
}

/** Returns the possible sources of untrusted text in a command's output, as far as they can be told from its words. */
function untrustedIn(line: string, { shell }: Pick<Commands, 'shell'>): UntrustedSource[] {
  const sources = new Map<string, UntrustedSource>();
  const add = (kind: UntrustedSource['kind'], name: string) => sources.set(name, { kind, name: name.slice(0, 300) });
  for (const { argv } of analyzeShell(line, shell).commands) {
    const hosts = argv.flatMap((word) => (word === null ? [] : hostsIn(word)));
    for (const host of hosts) add('web', host);
    if (hosts.length === 0 && fetchesText(argv)) add('web', `the network (${argv[0]})`);
    for (const path of pathsOutside(argv)) add('outside', path);
  }
  return [...sources.values()].slice(0, maxSources);
}

function hostsIn(word: string): string[] {
  const address = /https?:\/\/\S+/i.exec(word)?.[0];
  return address !== undefined && URL.canParse(address) ? [new URL(address).hostname] : [];
}

/** Returns the id of the command of a call, by which it is found again after a crash. */
function commandIdOf({ turnId, callId }: ToolContext): string {
  return sha256Hex(`command ${turnId} ${callId}`).slice(0, 12);
}

/** Starts an allowed command, unless an earlier server did, and follows it until it ends or `waitMs` is over. */
export async function runDirectly(
  context: ToolContext,
  { command: line, cwd, stdin }: RequestedCommand,
  { background, waitMs }: { background: boolean; waitMs: number },
): Promise<ToolOutcome> {
  const { commands } = await context.workspace();
  if (!commands) return failed('Commands are not available in this workspace.');
  const ref = context.begun?.command ?? { id: commandIdOf(context), windowId: commands.windowId };
  if (!context.begun?.command) await context.begin({ command: ref });
  const command = { ...ref, line, cwd: cwd ?? null };
  const untrusted = untrustedIn(line, commands);
  const detailsOf = (command: CommandNews): ToolDetails => ({
    command,
    ...(untrusted.length > 0 ? { untrusted } : {}),
  });
  try {
    const { conversationId } = context;
    const startRequest = { commandId: ref.id, conversationId, line, cwd: cwd ?? null, stdin, open: background };
    await commands.start(ref.windowId, startRequest, context.signal);
    await follow(context, commands, ref, waitMs);
    const output = await commands.poll(ref.windowId, { commandId: ref.id, after: 0, waitMs: 0 }, context.signal);
    const text = `The command ${stateWords(output)}.\n${outputWords(output)}`;
    const details = detailsOf(newsOf(command, output, output.next));
    if (output.failure !== null) return failed(text, details);
    if (output.state === 'ended') return done(text, details);
    const status = background
      ? `It runs in the background as ${ref.id}.`
      : `It took longer than ${waitMs} ms and continues in the background as ${ref.id}.`;
    return done(
      `${status} You will be told what it prints; use command_control to read its output, stop it or restart it.\n${text}`,
      details,
    );
  } catch (error) {
    if (context.stopped()) {
      const stop = AbortSignal.timeout(stopTimeoutMs);
      await commands.stop(ref.windowId, { commandId: ref.id }, stop).catch(() => undefined);
    }
    context.signal.throwIfAborted();
    if (!(error instanceof ProblemError) || error.problem.code !== 'editor_gone') throw error;
    const lost = { state: 'ended', exitCode: null, signal: null, stopped: false, failure: null, wallMs: 0 } as const;
    return failed(windowGone, detailsOf(newsOf(command, lost, 0)));
  }
}

/** The result for a command whose editor window is gone. */
export const windowGone =
  'The editor window that ran this command was closed, and the command ended with it. It is not known whether the command had finished before. Check what it did before you run it again.';

/** Shows the output of a command until it ends or the time is over. */
async function follow(context: ToolContext, commands: Commands, ref: CommandRef, waitMs: number): Promise<void> {
  const { signal } = context;
  const deadline = performance.now() + waitMs;
  let after = 0;
  let shown = 0;
  for (;;) {
    const remainingMs = Math.max(0, deadline - performance.now());
    const pollRequest = { commandId: ref.id, after, waitMs: Math.min(limits.commandPollMs, Math.ceil(remainingMs)) };
    const output: CommandOutput = await commands.poll(ref.windowId, pollRequest, signal);
    after = output.next;
    const text = shownText(output.chunks.map((chunk) => chunk.text).join(''));
    if (text !== '' && shown < maxLiveChars) context.output(text.slice(0, maxLiveChars - shown).toWellFormed());
    shown += text.length;
    if (output.state === 'ended' || performance.now() >= deadline) return;
    if (text !== '') await sleep(pollPauseMs, undefined, { signal });
  }
}

import type { TurnState } from '@devlm/protocol/state.ts';
import type { Ask, ToolDetails } from '@devlm/protocol/tools.ts';
import { hasPlaceholder } from '../actions/secrets/secrets.ts';
import { failed, type Tool, type ToolContext, type ToolOutcome } from '../actions/tool.ts';
import { commandsOf } from './command-notes.ts';
import { Stopped } from './interruptions.ts';
import { knownFiles } from './known-files.ts';
import { answeredCalls, repetitionThreshold, timesInARow } from './repetition.ts';
import { parseInput } from './tool-input.ts';
import { trustOf } from './trust.ts';
import type { TurnLog } from './turn-log.ts';

/** A tool call by the model that has no result yet. */
export interface OpenCall {
  readonly stepId: string;
  readonly callId: string;
  readonly name: string;
  /** Input as the model wrote it, which may not be valid JSON. */
  readonly json: string;
}

/** Services that tool calls use, one set for each conversation. */
export interface ToolServices
  extends Pick<ToolContext, 'conversationId' | 'web' | 'secrets' | 'putText' | 'getText' | 'putImage'> {
  workspace(signal: AbortSignal): ReturnType<ToolContext['workspace']>;
  symbols(signal: AbortSignal): ReturnType<ToolContext['symbols']>;
  execute(
    request: Parameters<ToolContext['execute']>[0],
    onEvent: Parameters<ToolContext['execute']>[1],
    signal: AbortSignal,
  ): ReturnType<ToolContext['execute']>;
}

/** Dependencies of the tool calls of a turn. */
export interface CallDeps {
  readonly log: TurnLog;
  readonly tools: readonly Tool[];
  readonly services: ToolServices;
}

/** Maximum number of read-only calls that run at the same time. */
const maxParallelCalls = 8;

/** Returns the tool calls of the last step that have no result yet, including those that a dead server left. */
export function openCalls(turn: TurnState | undefined): OpenCall[] {
  const last = turn?.steps.findLast((step) => step.status !== 'abandoned' && !step.purpose);
  if (last?.stopReason !== 'tool_use') return [];
  return last.blocks.flatMap((block) => {
    if (block.kind !== 'tool_call' || !block.done || !block.tool || last.results[block.tool.callId]) return [];
    return [{ stepId: last.id, callId: block.tool.callId, name: block.tool.name, json: block.text }];
  });
}

/**
 * Runs the open calls and writes their results. Consecutive read-only calls run together. Calls with effects run alone,
 * in the order in which the model made them.
 */
export async function runOpenCalls(deps: CallDeps, signal: AbortSignal): Promise<void> {
  const { log } = deps;
  let batch: OpenCall[] = [];
  const runBatch = async () => {
    await Promise.all(batch.map((call) => runCall(deps, call, signal)));
    batch = [];
  };
  const calls = openCalls(log.turn);
  for (const call of calls) {
    const readOnly = deps.tools.find(({ name }) => name === call.name)?.readOnly ?? true;
    if (!readOnly || batch.length === maxParallelCalls) await runBatch();
    batch.push(call);
    if (!readOnly) await runBatch();
  }
  await runBatch();
  if (calls.length > 0) await log.flush();
}

async function runCall(deps: CallDeps, call: OpenCall, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { log } = deps;
  const { stepId, callId } = call;
  const hidden = await outcomeOf(deps, call, signal);
  const outcome = { ...hidden, text: deps.services.secrets.hide(hidden.text) };
  const answered = { name: call.name, json: call.json, result: outcome.text };
  const repeated = timesInARow(answeredCalls(log.turn), answered) + 1 >= repetitionThreshold;
  log.write({ type: 'tool.ended', turnId: log.turnId, stepId, callId, ...outcome, repeated });
}

async function outcomeOf(deps: CallDeps, call: OpenCall, signal: AbortSignal): Promise<ToolOutcome> {
  const { log, services } = deps;
  const ids = { turnId: log.turnId, stepId: call.stepId, callId: call.callId };
  const output = services.secrets.stream((text) => {
    if (!log.failed) log.write({ type: 'tool.output', ...ids, text });
  });
  try {
    return await runTool(deps, call, (text) => output.push(text), signal);
  } finally {
    output.end();
  }
}

async function runTool(
  deps: CallDeps,
  call: OpenCall,
  output: ToolContext['output'],
  signal: AbortSignal,
): Promise<ToolOutcome> {
  const tool = deps.tools.find(({ name }) => name === call.name);
  if (!tool) return failed(`There is no tool named ${call.name}. Continue without it.`);
  const input = parseInput(call.json);
  if (!input)
    return failed('The input is not a JSON object, or is nested too deeply. Call the tool again with valid JSON.');
  try {
    // Search the parsed input, because JSON can write a letter in several ways.
    const usesSecrets = hasPlaceholder(JSON.stringify(input));
    return await tool.run(input, { ...contextOf(deps, call, signal), output, usesSecrets });
  } catch (error) {
    signal.throwIfAborted();
    if (deps.log.failed) throw error;
    return failed(`The tool ${call.name} failed.`);
  }
}

function contextOf(
  { log, services }: CallDeps,
  { stepId, callId }: OpenCall,
  signal: AbortSignal,
): Omit<ToolContext, 'output' | 'usesSecrets'> {
  const ids = { turnId: log.turnId, stepId, callId };
  const callIn = (turn: TurnState | undefined) => turn?.steps.find(({ id }) => id === stepId)?.calls[callId];
  const before = callIn(log.turn);
  return {
    ...services,
    turnId: log.turnId,
    callId,
    signal,
    workspace: () => services.workspace(signal),
    symbols: () => services.symbols(signal),
    execute: (request, onEvent) => services.execute(request, onEvent, signal),
    known: knownFiles(log.branch),
    commands: commandsOf(log.branch),
    stopped: () => signal.reason instanceof Stopped,
    trust: trustOf(log.branch),
    earlier: detailsOf(log.turn),
    begun: before?.started
      ? { changes: before.changes, executionId: before.executionId, command: before.command }
      : null,
    async ask(ask: Ask) {
      if (!callIn(log.turn)?.ask) log.write({ type: 'ask.opened', ...ids, ask });
      await log.flush();
      return log.until((turn) => callIn(turn)?.answer, signal);
    },
    async begin({ changes, executionId, command }) {
      log.write({
        type: 'tool.started',
        ...ids,
        ...(changes ? { changes: [...changes] } : {}),
        ...(executionId ? { executionId } : {}),
        ...(command ? { command } : {}),
      });
      await log.flush();
    },
  };
}

/** Returns the details of the tool results of a turn. */
function detailsOf(turn: TurnState | undefined): ToolDetails[] {
  return (turn?.steps ?? []).flatMap(({ results }) => Object.values(results).flatMap(({ details }) => details ?? []));
}

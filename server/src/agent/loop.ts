import { ProblemError } from '@devlm/protocol/problem.ts';
import type { StepState, TurnState } from '@devlm/protocol/state.ts';
import type { Tool } from '../actions/tool.ts';
import { type ModelProblemCode, modelProblem } from '../llm/problems.ts';
import type { RuleFile } from '../workspace/project-rules.ts';
import { noteCommands } from './command-notes.ts';
import { type CompactionDeps, compactIfNeeded, compactTooLong } from './compaction.ts';
import { nextRequest } from './request.ts';
import { noteReviews } from './review-notes.ts';
import { noteRules } from './rule-notes.ts';
import { runStep } from './step.ts';
import { openCalls, runOpenCalls, type ToolServices } from './tool-calls.ts';

/** Dependencies of the loop of a turn. */
export interface LoopDeps extends CompactionDeps {
  readonly tools: readonly Tool[];
  readonly services: ToolServices;
  /** Rules of the project that apply only to certain files. */
  readonly fileRules?: readonly RuleFile[];
  /**
   * Returns the repository map with the symbols most relevant to the focused files first, or null if there is none yet.
   */
  readonly projectMap?: (focus: ReadonlySet<string>) => string | null;
}

/** Maximum number of model calls in one turn; a turn that needs more ends with a problem. */
const maxSteps = 100;
const tooLongCodes: ReadonlySet<string> = new Set<ModelProblemCode>(['too_long', 'too_large']);

/**
 * Runs a turn: prompt, stream, tool calls, results, and again until the model stops. Resolves when the model has
 * stopped by itself. Rejects with a `ProblemError`, or with the signal's reason after Stop.
 */
export async function runLoop(deps: LoopDeps, signal: AbortSignal): Promise<void> {
  for (let step = 0; step < maxSteps; step++) {
    await runOpenCalls(deps, signal);
    if (step === 0) await noteReviews(deps.log, deps.services);
    await noteCommands(deps.log, deps.services, signal);
    await noteRules(deps.log, deps.fileRules ?? []);
    await compactIfNeeded(deps, signal);
    const stopReason = await nextStep(deps, signal);
    if (stopReason === 'refusal') throw refused();
    // `pause_turn`: a server tool asks for another call with the conversation as it is.
    if (stopReason !== 'tool_use' && stopReason !== 'pause_turn') return;
    if (stopReason === 'tool_use' && openCalls(deps.log.turn).length === 0) return;
  }
  throw new ProblemError({
    code: 'too_many_steps',
    status: 409,
    title: 'Stopped after too many steps',
    detail: `DevLM stopped this answer after ${maxSteps} model calls. Send a message to continue.`,
    action: 'retry',
  });
}

/**
 * Runs one model call and returns its stop reason. A prompt that the provider rejects as too long is compacted and sent
 * once more.
 */
async function nextStep(deps: LoopDeps, signal: AbortSignal): Promise<string> {
  const { log } = deps;
  const { request, context, path } = await nextRequest(deps);
  try {
    return (await runStep(deps, request, { context }, signal, path)).stopReason;
  } catch (error) {
    if (signal.aborted || !(error instanceof ProblemError) || !tooLongCodes.has(error.problem.code)) throw error;
    await log.flush();
    const { problem } = error;
    const step = log.turn?.steps.at(-1);
    if (step?.status === 'running') log.write({ type: 'step.abandoned', turnId: log.turnId, stepId: step.id, problem });
    await compactTooLong(deps, signal);
    const shorter = await nextRequest(deps);
    return (await runStep(deps, shorter.request, { context: shorter.context }, signal, shorter.path)).stopReason;
  }
}

function refused(): ProblemError {
  return modelProblem(
    'policy',
    'The provider’s safety rules stopped this answer. Rephrase your message, or start a new conversation.',
  );
}

/**
 * Returns the outcome of a turn that a dead server left open although its last step was stored, or null if the turn has
 * to be continued.
 *
 * @throws ProblemError `policy` if the model's answer was a refusal
 */
export function storedOutcomeOf(turn: TurnState | undefined): 'completed' | 'stopped' | null {
  if (turn?.compact && turn.steps.some(({ compaction }) => compaction)) return 'completed';
  const isRelevant = ({ status, purpose, stopReason }: StepState) =>
    status !== 'abandoned' && (!purpose || stopReason === 'stopped');
  const last = turn?.steps.findLast(isRelevant);
  switch (last?.stopReason) {
    case undefined:
    case 'tool_use':
    case 'pause_turn':
      return null;
    case 'refusal':
      throw refused();
    case 'stopped':
      return 'stopped';
    default:
      return 'completed';
  }
}

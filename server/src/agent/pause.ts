import { randomUUID } from 'node:crypto';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { StepState, TurnState } from '@devlm/protocol/state.ts';
import type { Ask } from '@devlm/protocol/tools.ts';
import { openCalls } from './tool-calls.ts';
import type { TurnLog } from './turn-log.ts';

/*
 * Pauses: a turn asks the user whether it may go on. The question is a step of its own that calls no model, so that it
 * is in the log, is answered by the same route as the questions of tools, and holds the turn over restarts.
 */

/** The answer to a pause that lets the turn go on. */
export const goOn = 'Go on with this answer';
/** The answer to a pause that ends the turn. */
export const stopHere = 'Stop';

/** A pause and the user's answer to it; the answer is null until there is one. */
export interface Pause {
  /** Subject of the pause, such as `budget:day`. Contains no space. */
  readonly topic: string;
  readonly answer: string | null;
  readonly step: StepState;
}

/** Returns all pauses of a turn, oldest first. */
export function pausesOf(turn: TurnState | undefined): Pause[] {
  return (turn?.steps ?? []).flatMap((step) => {
    if (step.purpose !== 'pause') return [];
    return Object.entries(step.calls).map(([callId, { answer }]): Pause => {
      const [topic = ''] = callId.split(' ', 1);
      return { topic, answer: answer?.kind === 'question' ? answer.text : null, step };
    });
  });
}

/** Returns whether a pause of the turn waits for the user. */
function isPaused(turn: TurnState | undefined): boolean {
  return pausesOf(turn).some(({ step, answer }) => step.status === 'running' && answer === null);
}

/** Asks the user and returns the answer. Rejects with the signal's reason. */
export async function pause(
  log: TurnLog,
  about: { readonly topic: string; readonly question: string; readonly options: readonly string[] },
  signal: AbortSignal,
): Promise<string> {
  const { turnId } = log;
  const stepId = randomUUID();
  log.write({ type: 'step.started', turnId, stepId, model: '', purpose: 'pause' });
  const ask: Ask = { kind: 'question', question: about.question, options: [...about.options] };
  log.write({ type: 'ask.opened', turnId, stepId, callId: `${about.topic} ${stepId}`, ask });
  await log.flush();
  return answerOf(log, stepId, signal);
}

/** Waits for the answer to a pause that an earlier server left open. Returns null if there is none. */
export async function openPause(log: TurnLog, signal: AbortSignal): Promise<Omit<Pause, 'step'> | null> {
  const open = pausesOf(log.turn).find(({ step }) => step.status === 'running');
  return open ? { topic: open.topic, answer: await answerOf(log, open.step.id, signal) } : null;
}

/** Waits for the answer to a pause and ends its step. */
async function answerOf(log: TurnLog, stepId: string, signal: AbortSignal): Promise<string> {
  const findAnswer = (turn: TurnState) => pausesOf(turn).find(({ step }) => step.id === stepId)?.answer ?? undefined;
  const answer = await log.until(findAnswer, signal);
  const usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };
  log.write({
    type: 'step.ended',
    turnId: log.turnId,
    stepId,
    stopReason: 'end_turn',
    usage,
    costUsd: 0,
    model: '',
  });
  await log.flush();
  return answer;
}

/** Returns the problem of a turn that the user did not want to continue. */
export function stoppedAtPause(): ProblemError {
  return new ProblemError({
    code: 'paused',
    status: 409,
    title: 'Stopped here',
    detail: 'You did not want this answer to go on. Send a message to go on from here.',
  });
}

/** Returns whether the turn waits for the user: at a pause, or at a question of a tool call. */
export function waitsForPerson(turn: TurnState | undefined): boolean {
  if (isPaused(turn)) return true;
  return openCalls(turn).some(({ stepId, callId }) => {
    const call = turn?.steps.find(({ id }) => id === stepId)?.calls[callId];
    return call?.ask !== undefined && call.answer === undefined;
  });
}

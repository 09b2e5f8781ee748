import { randomUUID } from 'node:crypto';
import { noTokens } from '@devlm/protocol/events.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { AnswerState, StepState, TurnState } from '@devlm/protocol/state.ts';
import { type Ask, PauseOption, type PauseTopic } from '@devlm/protocol/tools.ts';
import { openCalls } from './tool-calls.ts';
import type { TurnLog } from './turn-log.ts';

/*
 * Pauses: a turn asks the user whether it may continue. The question is a separate step that calls no model, so that it
 * is in the log, is answered through the same route as questions of tools, and still holds the turn after a restart.
 */

/** The user's answer to a pause: an option, or a text, which never lets the turn continue. */
export type PauseAnswer = PauseOption | 'other';

/** A pause and the user's answer to it; the answer is null until there is one. */
export interface Pause {
  readonly topic: PauseTopic | undefined;
  readonly answer: PauseAnswer | null;
  readonly step: StepState;
}

/** Returns all pauses of a turn, oldest first. */
export function pausesOf(turn: TurnState | undefined): Pause[] {
  return (turn?.steps ?? []).flatMap((step) => {
    if (step.purpose !== 'pause') return [];
    return Object.values(step.calls).flatMap(({ ask, answer }): Pause[] =>
      ask?.kind === 'question' ? [{ topic: ask.topic, answer: answer ? pauseAnswer(answer) : null, step }] : [],
    );
  });
}

function pauseAnswer(answer: AnswerState): PauseAnswer {
  return PauseOption.safeParse(answer.kind === 'question' ? answer.option : null).data ?? 'other';
}

/** Returns whether a pause of the turn waits for the user. */
function isPaused(turn: TurnState | undefined): boolean {
  return pausesOf(turn).some(({ step, answer }) => step.status === 'running' && answer === null);
}

/** An option of a pause, and its label for the user. */
export interface LabelledOption {
  readonly id: PauseOption;
  readonly label: string;
}

/** Asks the user and returns the answer. Rejects with the signal's reason. */
export async function pause(
  log: TurnLog,
  about: { readonly topic: PauseTopic; readonly question: string; readonly options: readonly LabelledOption[] },
  signal: AbortSignal,
): Promise<PauseAnswer> {
  const { turnId } = log;
  const stepId = randomUUID();
  log.write({ type: 'step.started', turnId, stepId, model: '', purpose: 'pause' });
  const { topic, question, options } = about;
  const ask: Ask = {
    kind: 'question',
    question,
    options: options.map(({ label }) => label),
    optionIds: options.map(({ id }) => id),
    topic,
  };
  log.write({ type: 'ask.opened', turnId, stepId, callId: stepId, ask });
  await log.flush();
  return answerOf(log, stepId, signal);
}

/** Waits for the answer to a pause that an earlier server left open. Returns null if there is none. */
export async function openPause(log: TurnLog, signal: AbortSignal): Promise<Omit<Pause, 'step'> | null> {
  const open = pausesOf(log.turn).find(({ step }) => step.status === 'running');
  return open ? { topic: open.topic, answer: await answerOf(log, open.step.id, signal) } : null;
}

/** Waits for the answer to a pause and ends its step. */
async function answerOf(log: TurnLog, stepId: string, signal: AbortSignal): Promise<PauseAnswer> {
  const findAnswer = (turn: TurnState) => pausesOf(turn).find(({ step }) => step.id === stepId)?.answer ?? undefined;
  const answer = await log.until(findAnswer, signal);
  log.write({
    type: 'step.ended',
    turnId: log.turnId,
    stepId,
    stopReason: 'end_turn',
    usage: noTokens,
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
    title: 'Answer stopped',
    detail: 'You stopped this answer. Send a message to continue from here.',
  });
}

/** Returns whether the turn waits for the user: at a pause, or at a question of a tool call. */
export function waitsForUser(turn: TurnState | undefined): boolean {
  if (isPaused(turn)) return true;
  return openCalls(turn).some(({ stepId, callId }) => {
    const call = turn?.steps.find(({ id }) => id === stepId)?.calls[callId];
    return call?.ask !== undefined && call.answer === undefined;
  });
}

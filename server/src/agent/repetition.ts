import type { TurnState } from '@devlm/protocol/state.ts';

/** Number of identical calls with identical results after which the model is told about the repetition. */
export const repetitionThreshold = 3;

/** A tool call that has a result. */
export interface AnsweredCall {
  readonly name: string;
  /** Input as the model wrote it. */
  readonly json: string;
  /** Text of the result. */
  readonly result: string;
}

/** Returns the tool calls of a turn that have a result, oldest first. */
export function answeredCalls(turn: TurnState | undefined): AnsweredCall[] {
  return (turn?.steps ?? []).flatMap(({ blocks, results }) =>
    blocks.flatMap(({ tool, text }) => {
      const result = tool && results[tool.callId];
      return result ? [{ name: tool.name, json: text, result: result.text }] : [];
    }),
  );
}

/** Returns how many of the newest calls equal the given one, result included, with no other call in between. */
export function timesInARow(calls: readonly AnsweredCall[], { name, json, result }: AnsweredCall): number {
  const isOther = (call: AnsweredCall) => call.name !== name || call.json !== json || call.result !== result;
  return calls.length - 1 - calls.findLastIndex(isOther);
}

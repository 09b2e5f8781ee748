import type { AnswerState, AskState } from './state.ts';
import type { Ask, AskAnswer } from './tools.ts';

/** Returns the state of a question, in which each option has an id. */
export function askState(ask: Ask): AskState {
  if (ask.kind === 'approval') return ask;
  const { kind, question, options, optionIds = [], topic } = ask;
  return {
    kind,
    question,
    options: options.map((label, index) => ({ id: optionIds[index] ?? String(index + 1), label })),
    ...(topic ? { topic } : {}),
  };
}

/**
 * Returns the state of an answer, with the id of the chosen option, and its label as the text. Clients of 0.1.0 send
 * only the label.
 */
export function answerState(ask: AskState | undefined, answer: AskAnswer): AnswerState {
  if (answer.kind === 'approval') return answer;
  const { kind, text, option } = answer;
  const options = ask?.kind === 'question' ? ask.options : [];
  const chosen = options.find(({ id, label }) => (option === undefined ? label === text : id === option));
  return chosen ? { kind, text: chosen.label, option: chosen.id } : { kind, text, option: null };
}

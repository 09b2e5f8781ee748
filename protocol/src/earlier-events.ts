import type { EventBody } from './events.ts';
import { type Ask, type PauseOption, PauseTopic } from './tools.ts';

/*
 * Converts events that DevLM 0.1.0 wrote before their content had its own fields. Logs are never rewritten: the reducer
 * reads an event through these functions, which return it in the current form.
 */

type Of<Type extends EventBody['type']> = Extract<EventBody, { type: Type }>;

/** The notice to the model that 0.1.0 appended to the result of a repeated call. */
const repetitionNotice =
  '\n\n(This is the same call with the same result as before, 3 times or more. Do something else, or ask the person.)';

/** Returns the result of a tool call with `repeated` set, which 0.1.0 indicated by a notice at the end of the text. */
export function withRepeated<E extends Of<'tool.ended'>>(event: E): E & { readonly repeated: boolean } {
  const { text, repeated } = event;
  if (repeated !== undefined) return { ...event, repeated };
  if (!text.endsWith(repetitionNotice)) return { ...event, repeated: false };
  return { ...event, text: text.slice(0, -repetitionNotice.length), repeated: true };
}

/** Labels by which 0.1.0 identified the options of a pause. */
const pauseOptions: Readonly<Record<string, PauseOption>> = {
  'Go on with this answer': 'continue',
  'Raise it for today': 'raise',
  'Raise it for this week': 'raise',
  'Raise it for this month': 'raise',
  Stop: 'stop',
};

/**
 * Returns the question of a pause with its topic, which 0.1.0 encoded in the call id (`budget:ID STEP` or
 * `sentinel:TROUBLE STEP`), and the ids of its options, which 0.1.0 identified by their labels.
 */
export function withTopic(ask: Ask, callId: string): Ask {
  if (ask.kind !== 'question' || ask.topic) return ask;
  const [, kind, about] = /^(budget|sentinel):(\S+) /.exec(callId) ?? [];
  const topic = PauseTopic.safeParse(kind === 'budget' ? { kind, budgetId: about } : { kind, trouble: about });
  if (!topic.success) return ask;
  const optionIds = ask.options.map((label, index) => pauseOptions[label] ?? String(index + 1));
  return { ...ask, optionIds, topic: topic.data };
}

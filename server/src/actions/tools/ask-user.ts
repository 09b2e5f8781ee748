import * as z from 'zod';
import { defineTool, done, failed } from '../tool.ts';

/** The tool `ask_user`: asks the user a question and waits for the answer. */
export const askUser = defineTool({
  name: 'ask_user',
  description:
    'Asks the user a question and waits for the answer. Use it for what only the user can decide or know, never for what you can find out yourself.',
  input: z.strictObject({
    question: z.string().min(1).max(4000),
    options: z.array(z.string().min(1).max(200)).max(8).default([]).describe('Short answers to choose from.'),
  }),
  readOnly: false,
  async run({ question, options }, context) {
    const answer = await context.ask({ kind: 'question', question, options });
    if (answer.kind !== 'question') return failed('The user did not answer the question.');
    return done(answer.text.trim() === '' ? 'The user gave an empty answer.' : answer.text);
  },
});

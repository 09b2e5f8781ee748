import { Proposal } from '@devlm/protocol/tasks.ts';
import * as z from 'zod';
import { defineTool, done } from '../tool.ts';

export const propose = defineTool({
  name: 'propose',
  description:
    'Hands over the text that was asked for: the code for the place in the file, or the commit message. ' +
    'Nothing but that text: no Markdown fence, no explanation. The person sees it and takes it or not. Call it once.',
  input: z.strictObject({ text: Proposal.shape.text }),
  readOnly: true,
  run: async ({ text }) => done('It is shown to the person. Say in one sentence what it does.', { proposal: { text } }),
});

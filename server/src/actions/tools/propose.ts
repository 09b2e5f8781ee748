import { Proposal } from '@devlm/protocol/tasks.ts';
import * as z from 'zod';
import { hasPlaceholder } from '../secrets/secrets.ts';
import { defineTool, done, failed } from '../tool.ts';

/** The tool `propose`: hands over a text, such as code or a commit message, that the user may take. */
export const propose = defineTool({
  name: 'propose',
  description:
    'Hands over the text that was asked for: the code for the place in the file, or the commit message. ' +
    'Nothing but that text: no Markdown fence, no explanation. The person sees it and takes it or not. Call it once.',
  input: z.strictObject({ text: Proposal.shape.text }),
  readOnly: true,
  run: async ({ text }, { secrets }) =>
    // The text is put into a file as it is, so that a placeholder would end up there.
    hasPlaceholder(secrets.hide(text))
      ? failed('It has a credential, or the placeholder of one, in it. Write it without: read it from the environment.')
      : done('It is shown to the person. Say in one sentence what it does.', { proposal: { text } }),
});

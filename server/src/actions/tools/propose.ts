import { Proposal } from '@devlm/protocol/tasks.ts';
import * as z from 'zod';
import { hasPlaceholder } from '../secrets/secrets.ts';
import { defineTool, done, failed } from '../tool.ts';

/** The tool `propose`: hands over a text, such as code or a commit message, that the user may accept. */
export const propose = defineTool({
  name: 'propose',
  description:
    'Hands over the requested text: the code for the place in the file, or the commit message. ' +
    'Give only that text: no Markdown fence, no explanation. The user sees it and accepts or rejects it. Call this tool once.',
  input: z.strictObject({ text: Proposal.shape.text }),
  readOnly: true,
  run: async ({ text }, { secrets }) =>
    // The text is put into a file as it is, so that a placeholder would end up there.
    hasPlaceholder(secrets.hide(text))
      ? failed(
          'The text contains a credential or a placeholder for one. Write it without the credential, for example by reading the value from the environment.',
        )
      : done('The text is shown to the user. Say in one sentence what it does.', { proposal: { text } }),
});

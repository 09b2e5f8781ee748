import * as z from 'zod';
import { parsePatch } from '../edits/patch.ts';
import { changeFiles } from '../effects/change-files.ts';
import { defineTool, failed } from '../tool.ts';

/** The tool `apply_patch`: changes several files by a patch. */
export const applyPatch = defineTool({
  name: 'apply_patch',
  description:
    'Changes several files at once, all or none. The patch has this form: between "*** Begin Patch" and "*** End Patch": "*** Update File: path" with hunks that begin with "@@" and whose lines begin with a space, - or +; ' +
    '"*** Add File: path" with lines that begin with +; "*** Delete File: path". Hunks are located by their lines, so give enough surrounding lines.',
  input: z.strictObject({ patch: z.string().min(1).max(1_000_000) }),
  readOnly: false,
  async run({ patch }, context) {
    const parsed = parsePatch(patch);
    if (!parsed.ok) return failed(`Nothing was changed. ${parsed.message}`);
    return changeFiles(context, 'apply_patch', parsed.wanted);
  },
});

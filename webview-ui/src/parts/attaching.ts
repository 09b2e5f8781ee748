import { limits } from '@devlm/protocol/limits.ts';
import { FilesAnswer, type Mention } from '@devlm/protocol/page.ts';
import { t } from '../l10n.ts';
import { attempt, showToast } from '../state/app.ts';
import { attach } from '../state/drafts.ts';
import { transport } from '../transport.ts';

/** Attaches the selection of the active editor. */
export function attachSelection(): void {
  void attempt(async () => {
    const files = FilesAnswer.parse(await transport.editor({ action: 'readSelection' }));
    if (files.attachments.length === 0 && files.problems.length === 0)
      showToast(t('Nothing is selected in the editor.'));
    else attach(files);
  });
}

/** Attaches files by path or URI. */
export async function attachPaths(paths: readonly string[]): Promise<void> {
  attach(FilesAnswer.parse(await transport.editor({ action: 'readFiles', paths: paths.slice(0, limits.attachments) })));
}

/** Attaches the content of a mention. */
export async function attachMention(mention: Mention): Promise<void> {
  attach(FilesAnswer.parse(await transport.editor({ action: 'readMention', mention })));
}

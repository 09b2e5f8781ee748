import { appliesTo, type RuleFile } from '../workspace/project-rules.ts';
import { attachmentText } from './attachment-text.ts';
import { knownFiles } from './known-files.ts';
import { promptView } from './prompt-view.ts';
import type { TurnLog } from './turn-log.ts';

/**
 * Tells the model the rules for certain files once such a file is attached, read or changed. The note is appended, so
 * that the prompt before it stays the same.
 */
export async function noteRules(log: TurnLog, rules: readonly RuleFile[]): Promise<void> {
  if (rules.length === 0) return;
  const { turns } = promptView(log.branch);
  const notedPaths = new Set(turns.flatMap((turn) => turn.rules ?? []));
  const attached = turns.flatMap(({ attachments }) =>
    attachments.flatMap((attachment) => ('path' in attachment ? [attachment.path] : [])),
  );
  const files = [...attached, ...knownFiles(turns).keys()];
  const due = rules.filter((rule) => !notedPaths.has(rule.path) && files.some((file) => appliesTo(rule, file)));
  if (due.length === 0) return;
  const texts = due.map(({ path, text }) => attachmentText({ kind: 'file', path, text }));
  const text = `<rules>\nThese are the project’s own rules for such files. Follow them as far as they are about the work.\n\n${texts.join('\n\n').replaceAll('</rules', '<\\/rules')}\n</rules>`;
  log.write({ type: 'rules.noted', turnId: log.turnId, text, paths: due.map(({ path }) => path) });
  await log.flush();
}

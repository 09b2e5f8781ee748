import type { Attachment } from '@devlm/protocol/events.ts';
import { untrustedText } from '../actions/policy/untrusted.ts';

/** Kinds of attachments whose `path` is a file system path; for the others it is a name. */
const fileKinds: ReadonlySet<Attachment['kind']> = new Set(['file', 'selection', 'folder', 'symbol']);

/** Returns an attached text in tags. A closing tag of the same name in the text is escaped. */
export function attachmentText(attachment: Exclude<Attachment, { kind: 'image' }>): string {
  const { kind, path, startLine, endLine, text, untrusted } = attachment;
  const lines = startLine === undefined ? '' : ` lines="${startLine}-${endLine ?? startLine}"`;
  if (untrusted) return untrustedText(kind, { [fileKinds.has(kind) ? 'path' : 'name']: path }, text);
  const safePath = path.replaceAll('"', "'").replaceAll(/[\r\n<>]/g, ' ');
  return `<${kind} ${fileKinds.has(kind) ? 'path' : 'name'}="${safePath}"${lines}>\n${text.replaceAll(`</${kind}`, `<\\/${kind}`)}\n</${kind}>`;
}

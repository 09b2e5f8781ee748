import type { Attachment } from '@devlm/protocol/events.ts';
import { untrustedText } from '../actions/policy/untrusted.ts';

/** Attachments whose path is one. */
const isFile: ReadonlySet<Attachment['kind']> = new Set(['file', 'selection', 'folder', 'symbol']);

/** Returns an attached text in tags, with the tag's own name in the text made harmless. */
export function attachmentText(attachment: Exclude<Attachment, { kind: 'image' }>): string {
  const { kind, path, startLine, endLine, text, untrusted } = attachment;
  const lines = startLine === undefined ? '' : ` lines="${startLine}-${endLine ?? startLine}"`;
  if (untrusted) return untrustedText(kind, { [isFile.has(kind) ? 'path' : 'name']: path }, text);
  const safePath = path.replaceAll('"', "'").replaceAll(/[\r\n<>]/g, ' ');
  return `<${kind} ${isFile.has(kind) ? 'path' : 'name'}="${safePath}"${lines}>\n${text.replaceAll(`</${kind}`, `<\\/${kind}`)}\n</${kind}>`;
}

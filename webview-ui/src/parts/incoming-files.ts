import type { NewAttachment } from '@devlm/protocol/events.ts';
import { ImageMediaType } from '@devlm/protocol/ids.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { bytes } from '../format.ts';
import { t } from '../l10n.ts';
import { attach } from '../state/drafts.ts';
import { attachPaths } from './attaching.ts';

/** Returns the paths or URIs of a drop from the editor or from outside. */
function droppedUris(data: DataTransfer): string[] {
  const lists = [data.getData('application/vnd.code.uri-list'), data.getData('text/uri-list')];
  for (const list of lists) {
    const uris = list.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#'));
    if (uris.length > 0) return uris;
  }
  try {
    const resources: unknown = JSON.parse(data.getData('resourceurls') || '[]');
    return Array.isArray(resources) ? resources.filter((entry) => typeof entry === 'string') : [];
  } catch {
    return [];
  }
}

/** Attaches dropped files. */
export async function takeDrop(data: DataTransfer): Promise<void> {
  const files = [...data.files];
  const uris = droppedUris(data);
  if (uris.length > 0) await attachPaths(uris);
  else await takeFiles(files);
}

/** Attaches files whose content the page has: pasted images, or files from outside the editor. */
export async function takeFiles(files: readonly File[]): Promise<void> {
  const attachments: NewAttachment[] = [];
  const problems: string[] = [];
  for (const file of files.slice(0, limits.attachments)) {
    const image = ImageMediaType.safeParse(file.type);
    if (image.success) {
      if (file.size > limits.imageBytes) {
        problems.push(
          t(
            '"{0}" is too large to attach: it has {1}, and the limit is {2}.',
            file.name,
            bytes(file.size),
            bytes(limits.imageBytes),
          ),
        );
      } else attachments.push({ kind: 'image', name: file.name, mediaType: image.data, data: await base64(file) });
    } else if (file.type.startsWith('image/')) {
      problems.push(t('"{0}" is not a PNG, JPEG, GIF or WebP image.', file.name));
    } else if (file.size > limits.attachmentChars) {
      problems.push(t('"{0}" is too large to attach.', file.name));
    } else {
      const text = await file.text();
      if (text.includes('\0')) problems.push(t('"{0}" is not a text file.', file.name));
      else attachments.push({ kind: 'file', path: file.name, text });
    }
  }
  attach({ attachments, problems });
}

function base64(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ''));
    reader.onerror = () => reject(reader.error ?? new Error(t('The file could not be read.')));
    reader.readAsDataURL(file);
  });
}

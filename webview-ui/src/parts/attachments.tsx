import type { Attachment, NewAttachment, TextAttachment } from '@devlm/protocol/events.ts';
import { useEffect, useState } from 'preact/hooks';
import { baseName } from '../format.ts';
import { t } from '../l10n.ts';
import { transport } from '../transport.ts';
import { Icon, IconButton } from './icon.tsx';

/** Cached images as data URLs, by hash. The oldest are removed first. */
const images = new Map<string, string>();
const maxImages = 12;

async function imageUrl(hash: string): Promise<string> {
  const cached = images.get(hash);
  if (cached) return cached;
  const { mediaType, data } = await transport.call('blobs.get', { params: { hash } });
  const url = `data:${mediaType};base64,${data}`;
  images.set(hash, url);
  const oldest = images.keys().next().value;
  if (images.size > maxImages && oldest !== undefined) images.delete(oldest);
  return url;
}

/** Returns the name of an attachment, with its lines if it is a part of a file. */
function attachmentLabel(attachment: Attachment | NewAttachment): string {
  if (attachment.kind === 'image') return attachment.name;
  const { kind, path, startLine, endLine } = attachment;
  if (kind === 'problems') return t('Problems');
  if (kind === 'terminal' || kind === 'git') return path;
  if (kind === 'url') return URL.canParse(path) ? new URL(path).host : path;
  const lines =
    startLine === undefined
      ? ''
      : endLine === undefined || endLine === startLine
        ? `:${startLine}`
        : `:${startLine}-${endLine}`;
  return baseName(path) + lines;
}

const icons: Readonly<Record<TextAttachment['kind'], string>> = {
  file: 'file',
  selection: 'list-selection',
  folder: 'folder',
  symbol: 'symbol-class',
  problems: 'warning',
  terminal: 'terminal',
  git: 'git-commit',
  url: 'globe',
};
/** Kinds of attachments that a click can open. */
const openableKinds: ReadonlySet<Attachment['kind']> = new Set(['file', 'selection', 'symbol', 'url']);

interface ChipsProps {
  attachments: readonly (Attachment | NewAttachment)[];
  onRemove?: (attachment: NewAttachment) => void;
}

/** The attachments of a message as labels, with thumbnails of images. */
export function Chips({ attachments, onRemove }: ChipsProps) {
  if (attachments.length === 0) return null;
  return (
    <ul class="chips" aria-label={t('Attachments')}>
      {attachments.map((attachment, index) => (
        <li key={index} class="chip">
          <Chip attachment={attachment} />
          {onRemove && !('blob' in attachment) && (
            <IconButton
              icon="close"
              label={t('Remove {0}', attachmentLabel(attachment))}
              onClick={() => onRemove(attachment)}
            />
          )}
        </li>
      ))}
    </ul>
  );
}

function Chip({ attachment }: { attachment: Attachment | NewAttachment }) {
  const label = attachmentLabel(attachment);
  if (attachment.kind !== 'image' && !openableKinds.has(attachment.kind)) {
    return (
      <span class="chip-label" title={attachment.path}>
        <Icon name={icons[attachment.kind]} />
        <span>{label}</span>
      </span>
    );
  }
  if (attachment.kind !== 'image') {
    const href = attachment.path + (attachment.startLine === undefined ? '' : `:${attachment.startLine}`);
    return (
      <button
        type="button"
        class="chip-label"
        title={attachment.path}
        onClick={() => void transport.editor({ action: 'openLink', href }).catch(() => undefined)}
      >
        <Icon name={icons[attachment.kind]} />
        <span>{label}</span>
      </button>
    );
  }
  const dataUrl = 'data' in attachment ? `data:${attachment.mediaType};base64,${attachment.data}` : null;
  return <Picture name={label} url={dataUrl} hash={'blob' in attachment ? attachment.blob : null} />;
}

function Picture({ name, url, hash }: { name: string; url: string | null; hash: string | null }) {
  const [loaded, setLoaded] = useState(url);
  useEffect(() => {
    if (url !== null || hash === null) return;
    let isUnmounted = false;
    imageUrl(hash).then(
      (value) => {
        if (!isUnmounted) setLoaded(value);
      },
      () => undefined,
    );
    return () => {
      isUnmounted = true;
    };
  }, [url, hash]);
  return (
    <span class="chip-label" title={name}>
      {loaded ? <img class="chip-image" src={loaded} alt={name} /> : <Icon name="file-media" />}
      <span>{name}</span>
    </span>
  );
}

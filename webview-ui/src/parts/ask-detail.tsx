import type { Ask } from '@devlm/protocol/tools.ts';
import { t } from '../l10n.ts';
import { shownStrictly } from '../state/shown-text.ts';
import { TextBox } from './plain.tsx';

type Approval = Extract<Ask, { kind: 'approval' }>;

/** The most that an ask may hold; all of it is shown, because the person decides on all of it. */
const mostChars = 100_000;
/** A box shows about so many lines at once: what is below is counted. */
const seenLines = 10;

/** What the person decides on, so that nothing in it can hide. */
export function AskDetail({ ask: { detail, format } }: { ask: Approval }) {
  const text = shownStrictly(detail.slice(0, mostChars));
  if (text.trim() === '') return null;
  const lines = text.split('\n').length;
  return (
    <>
      {format === 'diff' ? (
        <TextBox class="ask-detail diff" label={t('Changes')}>
          {stretches(text).map(({ kind, content }, index) => (
            <span key={index} class={`diff-${kind}`}>
              {content}
            </span>
          ))}
        </TextBox>
      ) : (
        <TextBox class={`ask-detail ask-${format}`} label={labels(format)}>
          {text}
        </TextBox>
      )}
      {format === 'url' && <Host address={detail} />}
      {lines > seenLines && <div class="faint">{t('{0} lines', lines)}</div>}
    </>
  );
}

function labels(format: Approval['format']): string {
  if (format === 'command') return t('Command');
  return format === 'url' ? t('Address') : t('Details');
}

/** Whom an address really belongs to: its host as a browser reads it. */
function Host({ address }: { address: string }) {
  if (!URL.canParse(address.trim())) return null;
  const { host } = new URL(address.trim());
  return host === '' ? null : <div class="faint">{t('Host: {0}', host)}</div>;
}

type Kind = 'added' | 'removed' | 'place' | 'same';

/** Neighbouring lines of the same kind together. */
function stretches(diff: string): { kind: Kind; content: string }[] {
  const found: { kind: Kind; content: string }[] = [];
  for (const line of diff.split('\n')) {
    const kind = kindOf(line);
    const last = found.at(-1);
    if (last?.kind === kind) last.content += `\n${line}`;
    else found.push({ kind, content: line });
  }
  return found;
}

function kindOf(line: string): Kind {
  if (/^(@@|\+\+\+ |--- |\*\*\* |diff |index )/.test(line)) return 'place';
  if (line.startsWith('+')) return 'added';
  return line.startsWith('-') ? 'removed' : 'same';
}

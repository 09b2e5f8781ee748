import type { Ask } from '@devlm/protocol/tools.ts';
import { t } from '../l10n.ts';
import { shownStrictly } from '../state/shown-text.ts';
import { TextBox } from './plain.tsx';

type ApprovalAsk = Extract<Ask, { kind: 'approval' }>;

/** Maximum length of the detail, in UTF-16 code units. All of it is shown, because the user decides about all of it. */
const maxDetailChars = 100_000;
/** Approximate number of lines that are visible without scrolling. Above it, the number of lines is shown. */
const visibleLines = 10;

/** Shows what the user decides about, with nothing hidden. */
export function AskDetail({ ask: { detail, format } }: { ask: ApprovalAsk }) {
  const text = shownStrictly(detail.slice(0, maxDetailChars));
  if (text.trim() === '') return null;
  const lines = text.split('\n').length;
  return (
    <>
      {format === 'diff' ? (
        <TextBox class="ask-detail diff" label={t('Changes')}>
          {groupLines(text).map(({ kind, content }, index) => (
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
      {lines > visibleLines && <div class="faint">{t('{0} lines', lines)}</div>}
    </>
  );
}

function labels(format: ApprovalAsk['format']): string {
  if (format === 'command') return t('Command');
  return format === 'url' ? t('Address') : t('Details');
}

/** Shows the host of an address as a browser parses it. */
function Host({ address }: { address: string }) {
  if (!URL.canParse(address.trim())) return null;
  const { host } = new URL(address.trim());
  return host === '' ? null : <div class="faint">{t('Host: {0}', host)}</div>;
}

type LineKind = 'added' | 'removed' | 'place' | 'same';

/** Groups adjacent lines of the same kind. */
function groupLines(diff: string): { kind: LineKind; content: string }[] {
  const groups: { kind: LineKind; content: string }[] = [];
  for (const line of diff.split('\n')) {
    const kind = kindOf(line);
    const last = groups.at(-1);
    if (last?.kind === kind) last.content += `\n${line}`;
    else groups.push({ kind, content: line });
  }
  return groups;
}

function kindOf(line: string): LineKind {
  if (/^(@@|\+\+\+ |--- |\*\*\* |diff |index )/.test(line)) return 'place';
  if (line.startsWith('+')) return 'added';
  return line.startsWith('-') ? 'removed' : 'same';
}

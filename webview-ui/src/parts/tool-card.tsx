import type { BlockState, ToolResult } from '@devlm/protocol/reducer.ts';
import { useId, useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import { Icon } from './icon.tsx';

/** Longest input or result that is shown; more is cut with a note. */
const shownChars = 20_000;

interface ToolCardProps {
  block: BlockState;
  result: ToolResult | undefined;
  live: boolean;
}

/** One use of a tool: its name and what it is about in a line, input and result on demand. */
export function ToolCard({ block, result, live }: ToolCardProps) {
  const [open, setOpen] = useState(false);
  const body = useId();
  const running = live && !result;
  const name = block.tool?.name ?? t('Tool');
  const state = running ? t('running') : !result ? t('no result') : result.ok ? t('done') : t('failed');
  const input = block.done ? readable(block.text) : block.text;
  return (
    <div class="fold tool">
      <button type="button" class="fold-label" aria-expanded={open} aria-controls={body} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'chevron-down' : 'chevron-right'} />
        <Icon name={running ? 'loading' : !result ? 'circle-slash' : result.ok ? 'check' : 'error'} spin={running} />
        <span class="tool-name">{name}</span>
        <span class="tool-about">{about(block)}</span>
        <span class="unseen">{state}</span>
      </button>
      <div class="fold-body" id={body} hidden={!open}>
        {open && (
          <>
            <Part label={t('Input')} text={input} />
            {result && <Part label={result.ok ? t('Result') : t('Error')} text={readable(result.text)} />}
          </>
        )}
      </div>
    </div>
  );
}

function Part({ label, text }: { label: string; text: string }) {
  const cut = text.length > shownChars;
  return (
    <div class="tool-part">
      <div class="tool-part-label">{label}</div>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls */}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling area has to be reachable by keyboard */}
      <pre tabIndex={0} role="group" aria-label={label} dir="ltr">
        {cut ? text.slice(0, shownChars) : text}
      </pre>
      {cut && <div class="faint">{t('{0} more characters are not shown.', text.length - shownChars)}</div>}
    </div>
  );
}

/** JSON over several lines; anything else as it is. */
function readable(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** What a call is about: the value of its first short text parameter. */
function about(block: BlockState): string {
  const found = /"(?:path|file|query|url|command|pattern|code|name)"\s*:\s*"((?:[^"\\]|\\.){1,200})/.exec(
    block.text.slice(0, 2_000),
  );
  return found?.[1]?.replace(/\\n[\s\S]*/, '').replace(/\\(["\\/])/g, '$1') ?? '';
}

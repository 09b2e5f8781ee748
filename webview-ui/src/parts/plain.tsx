import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../l10n.ts';
import { printed } from '../state/shown-text.ts';

/** Longest text that is shown; of a longer one so much of its beginning and of its end. */
const headChars = 20_000;
const tailChars = 8_000;
/** Nearer than this to its end, in pixels, a text follows what comes. */
const nearEnd = 24;

interface BoxProps {
  label: string;
  class?: string;
  /** Keeps its end in view while text arrives. */
  follows?: boolean;
  children: ComponentChildren;
}

/** A box of plain text that scrolls, also by keyboard. */
export function TextBox({ label, follows = false, children, ...rest }: BoxProps) {
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (follows && atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [children, follows]);
  return (
    <>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls */}
      <pre
        ref={box}
        class={`plain ${rest.class ?? ''}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling area has to be reachable by keyboard
        tabIndex={0}
        role="group"
        aria-label={label}
        dir="ltr"
        onScroll={(event) => {
          const { scrollHeight, clientHeight, scrollTop } = event.currentTarget;
          atEnd.current = scrollHeight - clientHeight - scrollTop <= nearEnd;
        }}
      >
        {children}
      </pre>
    </>
  );
}

/** Text of a tool: never markup, and no more of it than a person can look at. */
export function Plain({ text, ...box }: Omit<BoxProps, 'children'> & { text: string }) {
  const left = text.length - headChars - tailChars;
  if (left <= 0) return <TextBox {...box}>{printed(text)}</TextBox>;
  return (
    <TextBox {...box}>
      {printed(text.slice(0, headChars))}
      <span class="plain-gap">{`\n${t('[{0} characters are left out]', left.toLocaleString())}\n`}</span>
      {printed(text.slice(-tailChars))}
    </TextBox>
  );
}

import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { gapWords } from '../state/run-words.ts';
import { printed } from '../state/shown-text.ts';

/** Length of the beginning of a long text that is shown, in UTF-16 code units. */
const headChars = 20_000;
/** Length of the end of a long text that is shown, in UTF-16 code units. */
const tailChars = 8_000;
/** Distance from the end within which a box follows new text, in pixels. */
const followDistancePx = 24;

interface BoxProps {
  label: string;
  class?: string;
  /** Whether the box scrolls to its end as text arrives. */
  follows?: boolean;
  children: ComponentChildren;
}

/** A box of plain text that can be scrolled, also by keyboard. */
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
          atEnd.current = scrollHeight - clientHeight - scrollTop <= followDistancePx;
        }}
      >
        {children}
      </pre>
    </>
  );
}

/** Text of a tool: never markup, and shortened if it is long. */
export function Plain({ text, ...box }: Omit<BoxProps, 'children'> & { text: string }) {
  const omitted = text.length - headChars - tailChars;
  if (omitted <= 0) return <TextBox {...box}>{printed(text)}</TextBox>;
  return (
    <TextBox {...box}>
      {printed(text.slice(0, headChars))}
      <span class="plain-gap">{`\n${gapWords(omitted)}\n`}</span>
      {printed(text.slice(-tailChars))}
    </TextBox>
  );
}

import { useLayoutEffect, useRef } from 'preact/hooks';
import { MarkdownView, type MountCode } from './view.ts';

interface MarkdownProps {
  text: string;
  done: boolean;
  /** Adds controls to the code blocks. Only the first value is used. */
  mountCode?: MountCode;
}

/** Renders the Markdown of an answer, also while it is being written. */
export function Markdown({ text, done, mountCode }: MarkdownProps) {
  const root = useRef<HTMLDivElement>(null);
  const view = useRef<MarkdownView | null>(null);
  useLayoutEffect(() => {
    if (!root.current) return;
    view.current ??= new MarkdownView(root.current, mountCode);
    view.current.update(text, done);
  }, [text, done]);
  useLayoutEffect(() => () => view.current?.dispose(), []);
  return <div class="markdown" ref={root} />;
}

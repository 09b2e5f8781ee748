import { useLayoutEffect, useRef } from 'preact/hooks';
import { MarkdownView } from './view.ts';

/** Markdown of an answer, also while it is being written. */
export function Markdown({ text, done }: { text: string; done: boolean }) {
  const root = useRef<HTMLDivElement>(null);
  const view = useRef<MarkdownView | null>(null);
  useLayoutEffect(() => {
    if (!root.current) return;
    view.current ??= new MarkdownView(root.current);
    view.current.update(text, done);
  }, [text, done]);
  useLayoutEffect(() => () => view.current?.dispose(), []);
  return <div class="markdown" ref={root} />;
}

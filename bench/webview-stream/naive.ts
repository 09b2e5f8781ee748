/// <reference lib="dom" />
import DOMPurify from 'dompurify';
import { marked } from 'marked';

/* Page for comparison, which parses, sanitizes and shows the whole text again at every chunk. */

const root = document.getElementById('root');
const scroller = document.scrollingElement;
let text = '';

window.addEventListener('message', (event: MessageEvent<{ chunk?: string }>) => {
  const { chunk } = event.data;
  if (chunk === undefined || !root) return;
  text += chunk;
  root.innerHTML = DOMPurify.sanitize(marked.parse(text, { async: false }));
  if (scroller) scroller.scrollTop = scroller.scrollHeight;
});

declare global {
  interface Window {
    streamNaive(chunks: readonly string[], perSecond: number): Promise<void>;
  }
}

window.streamNaive = async (chunks, perSecond) => {
  const start = performance.now();
  let sent = 0;
  while (sent < chunks.length) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    const due = Math.min(chunks.length, Math.floor(((performance.now() - start) / 1000) * perSecond));
    for (; sent < due; sent += 1) window.postMessage({ chunk: chunks[sent] }, '*');
  }
  // Messages are handled in order, so all earlier ones have been handled when this one arrives.
  await new Promise((resolve) => {
    window.addEventListener('message', (event) => event.data === 'end' && resolve(undefined));
    window.postMessage('end', '*');
  });
};

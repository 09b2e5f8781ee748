import { parentPort, workerData } from 'node:worker_threads';
import { Readability } from '@mozilla/readability';
import { gfm, strikethrough, taskListItems } from '@truto/turndown-plugin-gfm';
import { parseHTML } from 'linkedom';
import TurndownService from 'turndown';
import * as z from 'zod';

/*
 * Turns a page into Markdown, in a thread of its own: a hostile page can make any of these libraries
 * slow, and then the thread is ended.
 */

/** Nothing of these is text that a reader of the page sees. */
const unseen =
  'script,style,noscript,template,svg,canvas,iframe,frame,object,embed,audio,video,dialog:not([open]),[hidden],[aria-hidden="true"]';
const unseenStyle =
  /(display\s*:\s*none|visibility\s*:\s*(hidden|collapse)|content-visibility\s*:\s*hidden|opacity\s*:\s*0?\.?0+\s*(;|!|$)|font-size\s*:\s*0|(left|top|text-indent)\s*:\s*-\d{3,})/i;

/** Tables of a page with more rows are not drawn as tables: the time for them grows with the square of it. */
const tableRows = 1_500;

/** The main text of a page, where one stands out; else all that can be seen of it. */
function readPage(source: string, address: string): { title: string; markdown: string } {
  const whole = /<(html|body)[\s>]/i.test(source) ? source : `<html><head></head><body>${source}</body></html>`;
  const { document } = parseHTML(whole);
  for (const element of document.querySelectorAll(unseen)) element.remove();
  for (const element of document.querySelectorAll('[style]')) {
    if (unseenStyle.test(element.getAttribute('style') ?? '')) element.remove();
  }
  const base = baseOf(document.querySelector('base')?.getAttribute('href') ?? null, address);
  for (const [selector, attribute] of [
    ['a[href]', 'href'],
    ['img[src]', 'src'],
  ] as const) {
    for (const element of document.querySelectorAll(selector)) {
      const target = element.getAttribute(attribute) ?? '';
      const full = URL.canParse(target, base) ? new URL(target, base) : null;
      if (full && /^https?:$/.test(full.protocol)) element.setAttribute(attribute, full.href);
      else element.removeAttribute(attribute);
    }
  }
  const title = document.querySelector('title')?.textContent ?? '';
  // Without a head it stands among the text.
  for (const element of document.querySelectorAll('body title')) element.remove();
  const body = document.body.innerHTML;
  const length = document.body.textContent.length;
  const rows = document.querySelectorAll('tr').length;
  // It takes the document apart.
  const article = new Readability(document, { keepClasses: true, disableJSONLD: true }).parse();
  // Documentation is often taken for clutter: then the whole page is better than a part of it.
  const enough = (article?.textContent ?? '').length * 3 >= length;
  const turndown = new TurndownService({ headingStyle: 'atx', codeBlockStyle: 'fenced', bulletListMarker: '-' });
  turndown.use(rows > tableRows ? [strikethrough, taskListItems] : gfm);
  const markdown = turndown.turndown((enough && article?.content) || body);
  return { title: title.replace(/\s+/g, ' ').trim(), markdown: markdown.replace(/\n{3,}/g, '\n\n') };
}

function baseOf(href: string | null, address: string): string {
  return href !== null && URL.canParse(href, address) ? new URL(href, address).href : address;
}

const { html, url } = z.object({ html: z.string(), url: z.url() }).parse(workerData);
parentPort?.postMessage(readPage(html, url));

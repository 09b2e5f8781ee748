import { parentPort, workerData } from 'node:worker_threads';
import { Readability } from '@mozilla/readability';
import { gfm, strikethrough, taskListItems } from '@truto/turndown-plugin-gfm';
import { parseHTML } from 'linkedom';
import TurndownService from 'turndown';
import * as z from 'zod';

/*
 * Converts a page to Markdown in a separate thread: a hostile page can make any of these libraries slow, and then the
 * thread is terminated.
 */

/** Selector of elements whose content a reader of the page does not see. */
const invisible =
  'script,style,noscript,template,svg,canvas,iframe,frame,object,embed,audio,video,dialog:not([open]),[hidden],[aria-hidden="true"]';
/** Matches inline styles that hide an element. */
const invisibleStyle =
  /(display\s*:\s*none|visibility\s*:\s*(hidden|collapse)|content-visibility\s*:\s*hidden|opacity\s*:\s*0?\.?0+\s*(;|!|$)|font-size\s*:\s*0|(left|top|text-indent)\s*:\s*-\d{3,})/i;

/** Maximum number of table rows in a page whose tables are converted. The time grows with the square of the number. */
const maxTableRows = 1_500;

/** Returns the main text of a page if it stands out, or else all its visible text. */
function readPage(source: string, address: string): { title: string; markdown: string } {
  const whole = /<(html|body)[\s>]/i.test(source) ? source : `<html><head></head><body>${source}</body></html>`;
  const { document } = parseHTML(whole);
  for (const element of document.querySelectorAll(invisible)) element.remove();
  for (const element of document.querySelectorAll('[style]')) {
    if (invisibleStyle.test(element.getAttribute('style') ?? '')) element.remove();
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
  // In a page without a head, the title is part of the text.
  for (const element of document.querySelectorAll('body title')) element.remove();
  const body = document.body.innerHTML;
  const length = document.body.textContent.length;
  const rows = document.querySelectorAll('tr').length;
  // Readability modifies the document, so that everything above must be read first.
  const article = new Readability(document, { keepClasses: true, disableJSONLD: true }).parse();
  // Documentation is often mistaken for clutter: then the whole page is better than a part of it.
  const isEnough = (article?.textContent ?? '').length * 3 >= length;
  const turndown = new TurndownService({ headingStyle: 'atx', codeBlockStyle: 'fenced', bulletListMarker: '-' });
  turndown.use(rows > maxTableRows ? [strikethrough, taskListItems] : gfm);
  const markdown = turndown.turndown((isEnough && article?.content) || body);
  return { title: title.replace(/\s+/g, ' ').trim(), markdown: markdown.replace(/\n{3,}/g, '\n\n') };
}

function baseOf(href: string | null, address: string): string {
  return href !== null && URL.canParse(href, address) ? new URL(href, address).href : address;
}

const { html, url } = z.object({ html: z.string(), url: z.url() }).parse(workerData);
parentPort?.postMessage(readPage(html, url));

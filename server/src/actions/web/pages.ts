import { ProblemError } from '@devlm/protocol/problem.ts';
import { LRUCache } from 'lru-cache';
import { decodeText } from './charset.ts';
import { readableText } from './readable.ts';
import { Robots, robotName } from './robots.ts';
import { type FetchedPage, fetchBounds, type GuardedFetch, guardedFetch, type Network } from './ssrf.ts';

/** A page as a model can read it. */
export interface Page {
  /** After redirects. */
  readonly url: string;
  readonly status: number;
  /** '' where the page has none. */
  readonly title: string;
  /** Markdown of an HTML page; any other text as it is. */
  readonly text: string;
}

export type PermitRedirect = GuardedFetch['permitRedirect'];

/** Public pages of the web as text. Those of the last minutes are not fetched again. */
export class Pages {
  readonly #network: Network;
  readonly #robots: Robots;
  readonly #kept = new LRUCache<string, Page>({ max: 100, maxSize: 20_000_000, ttl: 10 * 60_000 });

  /** @param network how the web is reached, where it is not as the machine reaches it */
  constructor(network: Network = {}) {
    this.#network = network;
    this.#robots = new Robots(network);
  }

  /**
   * Fetches a page within 5 MB and 20 s.
   *
   * @throws ProblemError those of `guardedFetch`, `fetch_disallowed`, `page_unreadable`; the signal's reason
   */
  async read(address: string, permitRedirect: PermitRedirect, signal: AbortSignal): Promise<Page> {
    const key = address.replace(/#.*$/s, '');
    const kept = this.#kept.get(key);
    if (kept && (await this.#leadsWhereItMay(key, kept, permitRedirect))) return kept;
    const deadline = AbortSignal.timeout(fetchBounds.ms);
    const during = AbortSignal.any([signal, deadline]);
    try {
      // What is no address, or not public, is refused by the fetch itself.
      if (URL.canParse(address)) await this.#askRobots(new URL(address), during);
      const fetched = await guardedFetch(key, {
        ...this.#network,
        signal: during,
        userAgent: robotName,
        permitRedirect: async (to, from) => {
          if (!(await permitRedirect(to, from))) return false;
          await this.#askRobots(to, during);
          return true;
        },
      });
      const page = await toPage(fetched, during);
      // What went wrong may be right the next time.
      if (page.status < 400) this.#kept.set(key, page, { size: 1 + page.text.length });
      return page;
    } catch (error) {
      signal.throwIfAborted();
      if (!deadline.aborted) throw error;
      throw problem('fetch_timeout', 504, `The page did not arrive within ${fetchBounds.ms / 1000} s.`);
    }
  }

  /** A page is the same for everybody; whether its redirect may be followed is not. */
  async #leadsWhereItMay(asked: string, { url }: Page, permitRedirect: PermitRedirect): Promise<boolean> {
    const [to, from] = [new URL(url), new URL(asked)];
    return to.hostname === from.hostname || (await permitRedirect(to, from));
  }

  async #askRobots(url: URL, signal: AbortSignal): Promise<void> {
    if (!/^https?:$/.test(url.protocol) || (await this.#robots.allows(url, signal))) return;
    const detail = `The robots.txt of ${url.host} does not let programs fetch this page. Ask the person to open it.`;
    throw problem('fetch_disallowed', 403, detail);
  }
}

async function toPage({ url, status, contentType, charset, bytes }: FetchedPage, signal: AbortSignal): Promise<Page> {
  const text = decodeText(bytes, charset);
  // A few control characters happen in text; a NUL does not.
  if (text.includes('\0'))
    throw problem('fetch_unreadable', 415, `${new URL(url).host} answered with what is not text.`);
  const isHtml = /^(text\/html|application\/(xhtml\+xml|html))$/.test(contentType);
  const looksLikeHtml = contentType === '' && /^\s*<(!doctype html|html)[\s>]/i.test(text);
  const page = url.replace(/#.*$/s, '');
  if (!isHtml && !looksLikeHtml) return { url: page, status, title: '', text };
  const { title, markdown } = await readableText(text, page, signal);
  return { url: page, status, title, text: markdown };
}

function problem(code: string, status: number, detail: string): ProblemError {
  return new ProblemError({ code, status, title: 'Not fetched', detail });
}

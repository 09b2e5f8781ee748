import type { ErrorCode } from '@devlm/protocol/error-codes.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { LRUCache } from 'lru-cache';
import { decodeText } from './charset.ts';
import { readableText } from './readable.ts';
import { Robots, robotName } from './robots.ts';
import { type FetchedPage, fetchBounds, type GuardedFetch, guardedFetch, type Network } from './ssrf.ts';

/** A page in a form that a model can read. */
export interface Page {
  /** The address after redirects. */
  readonly url: string;
  readonly status: number;
  /** An empty string if the page has no title. */
  readonly title: string;
  /** Markdown for an HTML page; any other text unchanged. */
  readonly text: string;
}

/** Decides whether a redirect may be followed. */
export type PermitRedirect = GuardedFetch['permitRedirect'];

/** Fetches public web pages as text. Pages of the last ten minutes come from a cache. */
export class Pages {
  readonly #network: Network;
  readonly #robots: Robots;
  readonly #cache = new LRUCache<string, Page>({ max: 100, maxSize: 20_000_000, ttl: 10 * 60_000 });

  /** @param network how the web is reached. Default: the network of this machine */
  constructor(network: Network = {}) {
    this.#network = network;
    this.#robots = new Robots(network);
  }

  /**
   * Fetches a page of at most 5 MB within 20 s.
   *
   * @throws ProblemError those of `guardedFetch`, `fetch_disallowed`, `page_unreadable`; the signal's reason
   */
  async read(address: string, permitRedirect: PermitRedirect, signal: AbortSignal): Promise<Page> {
    const key = address.replace(/#.*$/s, '');
    const cached = this.#cache.get(key);
    if (cached && (await this.#isRedirectPermitted(key, cached, permitRedirect))) return cached;
    const deadline = AbortSignal.timeout(fetchBounds.ms);
    const fetchSignal = AbortSignal.any([signal, deadline]);
    try {
      // An address that is invalid or not public is refused by the fetch itself.
      if (URL.canParse(address)) await this.#checkRobots(new URL(address), fetchSignal);
      const fetched = await guardedFetch(key, {
        ...this.#network,
        signal: fetchSignal,
        userAgent: robotName,
        permitRedirect: async (to, from) => {
          if (!(await permitRedirect(to, from))) return false;
          await this.#checkRobots(to, fetchSignal);
          return true;
        },
      });
      const page = await toPage(fetched, fetchSignal);
      // Errors are not cached: the next attempt may succeed.
      if (page.status < 400) this.#cache.set(key, page, { size: 1 + page.text.length });
      return page;
    } catch (error) {
      signal.throwIfAborted();
      if (!deadline.aborted) throw error;
      throw pageProblem('fetch_timeout', 504, `The page did not arrive within ${fetchBounds.ms / 1000} s.`);
    }
  }

  /** Checks the redirect of a cached page again, because callers may differ in the redirects that they permit. */
  async #isRedirectPermitted(requested: string, { url }: Page, permitRedirect: PermitRedirect): Promise<boolean> {
    const [to, from] = [new URL(url), new URL(requested)];
    return to.hostname === from.hostname || (await permitRedirect(to, from));
  }

  async #checkRobots(url: URL, signal: AbortSignal): Promise<void> {
    if (!/^https?:$/.test(url.protocol) || (await this.#robots.allows(url, signal))) return;
    const detail = `The robots.txt of ${url.host} does not allow programs to fetch this page. Ask the user to open it.`;
    throw pageProblem('fetch_disallowed', 403, detail);
  }
}

async function toPage({ url, status, contentType, charset, bytes }: FetchedPage, signal: AbortSignal): Promise<Page> {
  const text = decodeText(bytes, charset);
  // A few control characters occur in text; a NUL does not.
  if (text.includes('\0'))
    throw pageProblem('fetch_unreadable', 415, `${new URL(url).host} answered with something that is not text.`);
  const isHtml = /^(text\/html|application\/(xhtml\+xml|html))$/.test(contentType);
  const looksLikeHtml = contentType === '' && /^\s*<(!doctype html|html)[\s>]/i.test(text);
  const page = url.replace(/#.*$/s, '');
  if (!isHtml && !looksLikeHtml) return { url: page, status, title: '', text };
  const { title, markdown } = await readableText(text, page, signal);
  return { url: page, status, title, text: markdown };
}

function pageProblem(code: ErrorCode, status: number, detail: string): ProblemError {
  return new ProblemError({ code, status, title: 'Page not fetched', detail });
}

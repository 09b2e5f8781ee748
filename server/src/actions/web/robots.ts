import { ProblemError } from '@devlm/protocol/problem.ts';
import { LRUCache } from 'lru-cache';
import RobotsFile from 'robots-parser/Robots.js';
import { guardedFetch, type Network } from './ssrf.ts';

/** The name by which DevLM looks for its rules in a robots.txt, and which it sends as its user agent. */
export const robotName = 'DevLM';

/** Maximum size of a robots.txt, in bytes (RFC 9309 requires at least 500 KiB), and its time limit, in milliseconds. */
const bounds = { bytes: 512_000, ms: 8_000 } as const;

/** The parsed rules of a site. */
interface SiteRules {
  allows(url: string): boolean;
}
const allowAll: SiteRules = { allows: () => true };
const allowNone: SiteRules = { allows: () => false };

/** Checks addresses against robots.txt (RFC 9309). The rules of a site are cached for half an hour. */
export class Robots {
  readonly #cache = new LRUCache<string, SiteRules>({ max: 200, maxSize: 2_000_000, ttl: 30 * 60_000 });
  readonly #network: Network;

  constructor(network: Network) {
    this.#network = network;
  }

  /**
   * Returns whether DevLM may fetch an address. A site whose server fails to deliver its robots.txt allows nothing.
   *
   * @throws ProblemError `fetch_failed` or `fetch_timeout` if the site does not respond; the signal's reason
   */
  async allows(url: URL, signal: AbortSignal): Promise<boolean> {
    const { origin } = url;
    let rules = this.#cache.get(origin);
    if (!rules) {
      const found = await this.#read(origin, signal);
      rules = found.rules;
      this.#cache.set(origin, rules, { size: 1 + found.weight });
    }
    return rules.allows(url.href);
  }

  async #read(origin: string, signal: AbortSignal): Promise<{ rules: SiteRules; weight: number }> {
    const address = `${origin}/robots.txt`;
    try {
      const { status, bytes } = await guardedFetch(address, {
        ...this.#network,
        signal,
        // Another site's file does not apply to this one.
        permitRedirect: (to, from) => to.hostname === from.hostname,
        userAgent: robotName,
        maxBytes: bounds.bytes,
        timeoutMs: bounds.ms,
      });
      if (status >= 500 || status === 429) return { rules: allowNone, weight: 1 };
      if (status >= 400) return { rules: allowAll, weight: 1 };
      const parsed = new RobotsFile(address, bytes.toString('utf8'));
      const allows = (url: string) => parsed.isAllowed(url, robotName) !== false;
      return { rules: { allows }, weight: bytes.length };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ProblemError)) throw error;
      // A file that is not text or leads elsewhere is not a robots.txt. If the site does not respond, its rules are
      // unknown.
      if (!['fetch_unreadable', 'fetch_refused', 'fetch_too_large'].includes(error.problem.code)) throw error;
      return { rules: allowAll, weight: 1 };
    }
  }
}

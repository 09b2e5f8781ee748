import { ProblemError } from '@devlm/protocol/problem.ts';
import { LRUCache } from 'lru-cache';
import RobotsFile from 'robots-parser/Robots.js';
import { guardedFetch, type Network } from './ssrf.ts';

/** By what name a site's robots.txt knows DevLM. */
export const robotName = 'DevLM';

/** As much of a robots.txt as is read (RFC 9309 asks for 500 KiB at least), and how long it is waited for. */
const bounds = { bytes: 512_000, ms: 8_000 } as const;

interface Rules {
  allows(url: string): boolean;
}
const everything: Rules = { allows: () => true };
const nothing: Rules = { allows: () => false };

/** What sites say of themselves in robots.txt (RFC 9309), kept for half an hour. */
export class Robots {
  readonly #kept = new LRUCache<string, Rules>({ max: 200, maxSize: 2_000_000, ttl: 30 * 60_000 });
  readonly #network: Network;

  constructor(network: Network) {
    this.#network = network;
  }

  /**
   * Whether DevLM may fetch an address. A site that fails to say is taken to have said no.
   *
   * @throws ProblemError `fetch_failed`, `fetch_timeout` where the site does not answer; the signal's reason
   */
  async allows(url: URL, signal: AbortSignal): Promise<boolean> {
    const { origin } = url;
    let rules = this.#kept.get(origin);
    if (!rules) {
      const found = await this.#read(origin, signal);
      rules = found.rules;
      this.#kept.set(origin, rules, { size: 1 + found.weight });
    }
    return rules.allows(url.href);
  }

  async #read(origin: string, signal: AbortSignal): Promise<{ rules: Rules; weight: number }> {
    const address = `${origin}/robots.txt`;
    try {
      const { status, bytes } = await guardedFetch(address, {
        ...this.#network,
        signal,
        // Another site's file does not speak for this one.
        permitRedirect: (to, from) => to.hostname === from.hostname,
        userAgent: robotName,
        maxBytes: bounds.bytes,
        timeoutMs: bounds.ms,
      });
      if (status >= 500 || status === 429) return { rules: nothing, weight: 1 };
      if (status >= 400) return { rules: everything, weight: 1 };
      const parsed = new RobotsFile(address, bytes.toString('utf8'));
      const allows = (url: string) => parsed.isAllowed(url, robotName) !== false;
      return { rules: { allows }, weight: bytes.length };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ProblemError)) throw error;
      // What is no text, or leads elsewhere, is no robots.txt. Where nothing answers, nothing is known.
      if (!['fetch_unreadable', 'fetch_refused', 'fetch_too_large'].includes(error.problem.code)) throw error;
      return { rules: everything, weight: 1 };
    }
  }
}

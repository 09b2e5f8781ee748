import type { Answer, ClaudeRequest } from './answer.ts';

/** Conditions on a request. All given ones have to be met. */
export interface Conditions {
  /** Text of the last user message: contains the string, or passes the test. */
  readonly text?: string | RegExp | ((text: string) => boolean);
  readonly model?: string | RegExp;
  /** Position among the requests that meet the other conditions, 1-based. */
  readonly nth?: number;
  /** Default: `/v1/messages`. Other paths only support HTTP answers. */
  readonly path?: string;
  readonly when?: (request: ClaudeRequest) => boolean;
}

/** Conditions on a request. A string or an expression is a condition on the text, a function on the request. */
export type Match = string | RegExp | ((request: ClaudeRequest) => boolean) | Conditions;

/** An answer, and the requests that get it. */
export interface Scenario {
  readonly match: Match;
  readonly answer: Answer;
  /** Maximum number of answers. Default: unlimited. */
  readonly times?: number;
}

/** Matches every message. */
export const any: Match = {};

/** Path of the route for messages. */
export const messagesPath = '/v1/messages';

interface Entry {
  readonly conditions: Conditions;
  readonly answer: Answer;
  readonly times: number;
  /** Number of requests that met the conditions other than `nth`. */
  met: number;
  used: number;
}

/** The scenarios of a stand-in. The first that matches answers. Scenarios that are added later take precedence. */
export class ScenarioBook {
  #entries: Entry[] = [];
  readonly #initial: readonly Scenario[];

  constructor(initial: readonly Scenario[]) {
    this.#initial = initial;
    this.reset();
  }

  /** Restores the initial scenarios, with their counts at zero. */
  reset(): void {
    this.#entries = this.#initial.map(entryOf);
  }

  add(scenario: Scenario): void {
    this.#entries.unshift(entryOf(scenario));
  }

  /** Returns the answer to a request, and the request as the scenario sees it. */
  find(path: string, request: Omit<ClaudeRequest, 'call'>): { answer: Answer; request: ClaudeRequest } | undefined {
    for (const entry of this.#entries) {
      const seen = { ...request, call: entry.used + 1 };
      if (entry.used >= entry.times || !holds(entry.conditions, path, seen)) continue;
      entry.met++;
      if (entry.conditions.nth !== undefined && entry.conditions.nth !== entry.met) continue;
      entry.used++;
      return { answer: entry.answer, request: seen };
    }
    return undefined;
  }
}

function entryOf({ match, answer, times = Number.POSITIVE_INFINITY }: Scenario): Entry {
  return { conditions: conditionsOf(match), answer, times, met: 0, used: 0 };
}

function conditionsOf(match: Match): Conditions {
  if (typeof match === 'string' || match instanceof RegExp) return { text: match };
  return typeof match === 'function' ? { when: match } : match;
}

function holds(conditions: Conditions, path: string, request: ClaudeRequest): boolean {
  const { text, model, when } = conditions;
  return (
    path === (conditions.path ?? messagesPath) &&
    (text === undefined || (typeof text === 'function' ? text(request.text) : fits(text, request.text))) &&
    (model === undefined ||
      (typeof model === 'string' ? model === request.body.model : fits(model, request.body.model))) &&
    (when === undefined || when(request))
  );
}

function fits(wanted: string | RegExp, value: string): boolean {
  // `search` ignores `lastIndex`, so that a global expression matches every time.
  return typeof wanted === 'string' ? value.includes(wanted) : value.search(wanted) >= 0;
}

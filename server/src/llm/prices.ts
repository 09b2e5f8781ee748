import type { Usage } from '@devlm/protocol/events.ts';
import type { DatedPrice, Price } from '../config-values.ts';

/**
 * Prices by prefix of the model id; the longest match applies. A list holds the prices of a model with the day from
 * which each applies; before the first day the price is unknown. The price of a model without a match is unknown too.
 */
export type PriceTable = Readonly<Record<string, Price | readonly DatedPrice[]>>;

const price = (input: number, output: number, cacheRead = input / 10): Price => ({
  input,
  output,
  cacheRead,
  // A 5-minute cache write costs 1.25 times the input price, a 1-hour one 2 times.
  cacheWrite: input * 1.25,
  cacheWrite1h: input * 2,
});

/**
 * List prices as published in October 2026: platform.claude.com/docs/en/about-claude/pricing. The configuration key
 * `prices` overrides and extends them.
 */
export const listPrices: PriceTable = {
  'claude-fable-5-1': price(10, 50, 0.25),
  'claude-fable-5': price(10, 50),
  'claude-mythos-5-1': price(10, 50, 0.25),
  'claude-mythos-5': price(10, 50),
  'claude-opus-5-5': price(4, 20, 0.2),
  'claude-opus-5': price(5, 25),
  'claude-opus-4-8': price(5, 25),
  'claude-opus-4-7': price(5, 25),
  'claude-opus-4-6': price(5, 25),
  'claude-opus-4-5': price(5, 25),
  'claude-opus-4-1': price(15, 75),
  'claude-opus-4': price(15, 75),
  'claude-sonnet-5-5': price(2, 10),
  'claude-sonnet-5': price(2, 10),
  'claude-sonnet-4': price(3, 15),
  'claude-3-7-sonnet': price(3, 15),
  'claude-haiku-4-5': price(1, 5),
  'claude-3-5-haiku': price(0.8, 4),
};

/**
 * Price of one web search at the provider, in US dollars. The tokens of its results are charged like any others. From
 * the same page.
 */
export const webSearchPrice = 0.01;

/** Returns the cost of the tokens at the time of the call, in US dollars, or null if the model's price is not known. */
export function costOf(model: string, usage: Usage, table: PriceTable, at = new Date()): number | null {
  const found = priceOf(model, table, at);
  return found && dollars(usage, found);
}

/**
 * Returns the cost of the tokens with the most expensive model of the table, in US dollars. It is used where the price
 * is not known.
 */
export function dearestCost(usage: Usage, table: PriceTable, at = new Date()): number {
  const known = Object.keys(table).flatMap((prefix) => priceOf(prefix, table, at) ?? []);
  return Math.max(0, ...known.map((knownPrice) => dollars(usage, knownPrice)));
}

function priceOf(id: string, table: PriceTable, at: Date): Price | null {
  // Bedrock puts region and vendor before the name: `us.anthropic.claude-…`.
  const model = id.replace(/^(?:[a-z-]+\.)?anthropic\./, '');
  let prefix = '';
  for (const key of Object.keys(table)) {
    const ends = model.length === key.length || model[key.length] === '-' || model[key.length] === '@';
    if (ends && key.length > prefix.length && model.startsWith(key)) prefix = key;
  }
  const found = table[prefix];
  if (found === undefined || !isDated(found)) return found ?? null;
  const day = at.toISOString().slice(0, 10);
  const begun = found.filter(({ from }) => from <= day).sort((a, b) => b.from.localeCompare(a.from));
  return begun[0] ?? null;
}

function isDated(price: Price | readonly DatedPrice[]): price is readonly DatedPrice[] {
  return Array.isArray(price);
}

function dollars(usage: Usage, price: Price): number {
  const hour = Math.min(usage.cacheWrite1hTokens ?? 0, usage.cacheWriteTokens);
  const total =
    usage.inputTokens * price.input +
    usage.outputTokens * price.output +
    usage.cacheReadTokens * price.cacheRead +
    (usage.cacheWriteTokens - hour) * price.cacheWrite +
    hour * (price.cacheWrite1h ?? price.input * 2);
  return total / 1_000_000;
}

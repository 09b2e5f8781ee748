import type { Usage } from '@devlm/protocol/events.ts';
import type { Price } from '../config.ts';

/** List prices by model id prefix, longest first. A model that matches none has no known price. */
export type PriceTable = Readonly<Record<string, Price>>;

const price = (input: number, output: number, cacheRead = input / 10): Price => ({
  input,
  output,
  cacheRead,
  // A 5-minute cache write costs 1.25 times the input.
  cacheWrite: input * 1.25,
});

/**
 * platform.claude.com/docs/en/about-claude/pricing, as published in October 2026. The
 * configuration key `prices` overrides and extends it.
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

/** One search of the web at the provider, US dollars; the tokens it brings are counted as any others. Same page. */
export const webSearchPrice = 0.01;

/** What the tokens cost in US dollars, or null when the model's price is not known. */
export function costOf(model: string, usage: Usage, table: PriceTable): number | null {
  const prefix = Object.keys(table)
    .filter((key) => model === key || model.startsWith(`${key}-`) || model.startsWith(`${key}@`))
    .sort((a, b) => b.length - a.length)[0];
  const found = prefix === undefined ? undefined : table[prefix];
  if (!found) return null;
  const dollars =
    usage.inputTokens * found.input +
    usage.outputTokens * found.output +
    usage.cacheReadTokens * found.cacheRead +
    usage.cacheWriteTokens * found.cacheWrite;
  return dollars / 1_000_000;
}

import { httpProblem } from './problems.ts';

/** Deeper than any settings or tool input. What checks and writes JSON calls itself for each level. */
const maxDepth = 200;
/** More than a window or a program sends. Each is an object in memory, and looked at. */
const maxValues = 200_000;

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const opening = new Set([0x7b, 0x5b]);
const closing = new Set([0x7d, 0x5d]);

/**
 * Refuses, before it is parsed, JSON that costs far more than its bytes tell.
 * @throws ProblemError `invalid_input`
 */
export function checkShape(body: Buffer): void {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at] ?? 0;
    if (byte === quote) at = stringEnd(body, at);
    else if (byte === comma) values++;
    else if (opening.has(byte)) depth++;
    else if (closing.has(byte)) depth--;
    if (depth > maxDepth) throw httpProblem('invalid_input', `body: nested more than ${maxDepth} levels deep`);
    if (values > maxValues) throw httpProblem('invalid_input', `body: more than ${maxValues} values`);
  }
}

/** Index of the quote that ends a string, or of the end. */
function stringEnd(body: Buffer, from: number): number {
  for (let at = from + 1; at < body.length; at++) {
    if (body[at] === backslash) at++;
    else if (body[at] === quote) return at;
  }
  return body.length;
}

import { httpProblem } from './problems.ts';

/** Maximum nesting depth; settings and tool inputs stay below it. Validating and writing JSON recurse for each level. */
const maxDepth = 200;
/** Maximum number of values, more than a window or client sends. Each becomes an object in memory and is validated. */
const maxValues = 200_000;

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const opening = new Set([0x7b, 0x5b]);
const closing = new Set([0x7d, 0x5d]);

/**
 * Refuses JSON that is far more expensive to process than its size suggests. Runs before the JSON is parsed.
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
    if (depth > maxDepth)
      throw httpProblem('invalid_input', `body: must not be nested more than ${maxDepth} levels deep`);
    if (values > maxValues) throw httpProblem('invalid_input', `body: must not have more than ${maxValues} values`);
  }
}

/** Returns the index of the quote that ends a string, or the length of the body if there is none. */
function stringEnd(body: Buffer, from: number): number {
  for (let at = from + 1; at < body.length; at++) {
    if (body[at] === backslash) at++;
    else if (body[at] === quote) return at;
  }
  return body.length;
}

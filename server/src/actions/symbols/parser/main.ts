import { parentPort } from 'node:worker_threads';
import * as z from 'zod';
import { type Grammar, queries } from '../languages.ts';
import { noSymbols } from '../source-symbols.ts';
import { parseSymbols } from './parse.ts';

/*
 * Parses source files in a separate thread: the grammars are third-party C code, and their input is untrusted. The
 * caller terminates the thread when a result takes too long.
 */

/** Message that asks the thread to parse a text. */
const ParseRequest = z.object({
  id: z.int(),
  grammar: z.custom<Grammar>((value) => typeof value === 'string' && Object.hasOwn(queries, value)),
  text: z.string(),
});

parentPort?.on('message', async (message: unknown) => {
  const { id, grammar, text } = ParseRequest.parse(message);
  // A file on which the grammar fails has no symbols.
  const found = await parseSymbols(grammar, text).catch(() => noSymbols);
  parentPort?.postMessage({ id, ...found });
});

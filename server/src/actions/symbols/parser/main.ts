import { parentPort } from 'node:worker_threads';
import * as z from 'zod';
import { type Grammar, queries } from '../languages.ts';
import { noSymbols } from '../source-symbols.ts';
import { parseSymbols } from './parse.ts';

/*
 * Parses source files, in a thread of its own: the grammars are other people's C code, and what they
 * are given is hostile. Whoever asks ends the thread when an answer is too long in coming.
 */

const Job = z.object({
  id: z.int(),
  grammar: z.custom<Grammar>((value) => typeof value === 'string' && Object.hasOwn(queries, value)),
  text: z.string(),
});

parentPort?.on('message', async (message: unknown) => {
  const { id, grammar, text } = Job.parse(message);
  // A grammar that fails on a file has nothing to say about it.
  const found = await parseSymbols(grammar, text).catch(() => noSymbols);
  parentPort?.postMessage({ id, ...found });
});

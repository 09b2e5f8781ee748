import { type Language, languageOf, languages } from '@devlm/protocol/execution.ts';
import * as z from 'zod';

/*
 * How options are written, in the file, the environment and on the command line.
 */

/** A number in the file, digits elsewhere. An empty text or null is a mistake, not a 0. */
export const wholeNumber = (min: number, max: number) =>
  z
    .union([z.number(), z.string().regex(/^\d+$/).transform(Number)], { error: 'expected a whole number' })
    .pipe(z.int().min(min).max(max));
/** Language names and aliases to images. */
export const Images = z.record(z.string(), z.string()).transform((images, context) => {
  const known: Partial<Record<Language, string>> = {};
  for (const [name, image] of Object.entries(images)) {
    const language = languageOf(name);
    if (language) known[language] = image;
    else context.addIssue({ code: 'custom', message: `${name} is not a language; they are ${languages.join(', ')}` });
  }
  return known;
});
/** The same in one text. */
export const imageList = z
  .string()
  .max(8192)
  .regex(/^[^=,]+=[^=,]+(,[^=,]+=[^=,]+)*$/, 'expected language=image,language=image')
  .transform((text) => Object.fromEntries(text.split(',').map((pair) => pair.split('=', 2) as [string, string])));
/** `true` in the file, also `1`, `yes` or `on` elsewhere. */
export const flag = z.union([z.boolean(), z.stringbool()]);
/** Requests a second, and how many may come at once. */
export const RateLimit = z
  .string()
  .regex(/^\d+,\d+$/, 'expected RATE,BURST such as 10,5')
  .transform((text) => text.split(',').map(Number) as [number, number])
  .transform(([rate, burst]) => ({ rate, burst }))
  .pipe(z.object({ rate: z.int().min(1).max(1_000_000), burst: z.int().min(1).max(1_000_000) }));
/** An address, a block of them, or one of the names that stand for private ones. */
export const addressBlock = z.union([
  z.ipv4(),
  z.ipv6(),
  z.cidrv4(),
  z.cidrv6(),
  z.enum(['loopback', 'linklocal', 'uniquelocal']),
]);
/** Other users of the machine can read the arguments of a process. */
const withoutPassword =
  'a URL with a password must not stand on the command line: it goes into the environment or a file';
/** As a flag: the same, without a password. */
export const flagUrl = z.string().refine((text) => !/^[^:]+:\/\/[^/]*:[^/]*@/.test(text), withoutPassword);
/** An address to listen on. */
export const listenAddress = z.union([z.ipv4(), z.ipv6()], { error: 'expected an IP address' });
export const isLoopback = (address: string): boolean => /^(127(\.\d+){3}|::1)$/.test(address);
/** What `storage/redis/connection.ts` understands. */
export const redisUrl = /^(rediss?:\/\/[^/]|redis(s?)\+sentinel:\/\/[^/]+\/[\w.-]+(\/\d+)?$)/;

/** US dollars for a million tokens. `cacheWrite` is the 5-minute kind, the only one DevLM asks for itself. */
export const Price = z.object({
  input: z.number().min(0),
  output: z.number().min(0),
  cacheRead: z.number().min(0),
  cacheWrite: z.number().min(0),
  /** What is kept for an hour; default: twice the input. */
  cacheWrite1h: z.number().min(0).optional(),
});
export type Price = z.infer<typeof Price>;

/** What a model costs from a day on, UTC. */
export const DatedPrice = Price.extend({ from: z.iso.date() });
export type DatedPrice = z.infer<typeof DatedPrice>;

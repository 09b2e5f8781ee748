import { type Language, languageOf, languages } from '@devlm/protocol/execution.ts';
import * as z from 'zod';

/*
 * Schemas of option values in the configuration file, in the environment and on the command line.
 */

/** A whole number: a number in the file, digits elsewhere. An empty string or null is an error, not 0. */
export const wholeNumber = (min: number, max: number) =>
  z
    .union([z.number(), z.string().regex(/^\d+$/).transform(Number)], { error: 'expected a whole number' })
    .pipe(z.int().min(min).max(max));
/** Container images by language name or alias. */
export const ImageOverrides = z.record(z.string(), z.string()).transform((images, context) => {
  const known: Partial<Record<Language, string>> = {};
  for (const [name, image] of Object.entries(images)) {
    const language = languageOf(name);
    if (language) known[language] = image;
    else
      context.addIssue({
        code: 'custom',
        message: `${name} is not a supported language. Languages: ${languages.join(', ')}`,
      });
  }
  return known;
});
/** Container images by language, in the form `language=image,language=image`. */
export const imageList = z
  .string()
  .max(8192)
  .regex(/^[^=,]+=[^=,]+(,[^=,]+=[^=,]+)*$/, 'expected language=image,language=image')
  .transform((text) => Object.fromEntries(text.split(',').map((pair) => pair.split('=', 2) as [string, string])));
/** A boolean: `true` in the file, also `1`, `yes` or `on` elsewhere. */
export const flag = z.union([z.boolean(), z.stringbool()]);
/** A rate limit in the form `RATE,BURST`: requests per second, and maximum number of requests at once. */
export const RateLimitValue = z
  .string()
  .regex(/^\d+,\d+$/, 'expected RATE,BURST, such as 10,5')
  .transform((text) => text.split(',').map(Number) as [number, number])
  .transform(([rate, burst]) => ({ rate, burst }))
  .pipe(z.object({ rate: z.int().min(1).max(1_000_000), burst: z.int().min(1).max(1_000_000) }));
/** An IP address, a block of addresses, or the name of a range of private addresses. */
export const addressBlock = z.union([
  z.ipv4(),
  z.ipv6(),
  z.cidrv4(),
  z.cidrv6(),
  z.enum(['loopback', 'linklocal', 'uniquelocal']),
]);
/** Other users of the machine can read the arguments of a process. */
const withoutPassword =
  'other users can read the command line: put a URL with a password into the environment or a file';
/** A URL on the command line, which must not contain a password. */
export const flagUrl = z.string().refine((text) => !/^[^:]+:\/\/[^/]*:[^/]*@/.test(text), withoutPassword);
/** An IP address to listen on. */
export const listenAddress = z.union([z.ipv4(), z.ipv6()], { error: 'expected an IP address' });
/** Returns whether an IP address is a loopback address. */
export const isLoopback = (address: string): boolean => /^(127(\.\d+){3}|::1)$/.test(address);
/** URLs that `storage/redis/connection.ts` supports. */
export const redisUrl = /^(rediss?:\/\/[^/]|redis(s?)\+sentinel:\/\/[^/]+\/[\w.-]+(\/\d+)?$)/;

/** Price of a model, in US dollars per million tokens. `cacheWrite` is the 5-minute cache, the only one that DevLM itself requests. */
export const Price = z.object({
  input: z.number().min(0),
  output: z.number().min(0),
  cacheRead: z.number().min(0),
  cacheWrite: z.number().min(0),
  /** Price of writing to the 1-hour cache. Default: twice `input`. */
  cacheWrite1h: z.number().min(0).optional(),
});
export type Price = z.infer<typeof Price>;

/** Price of a model from a day on, in UTC. */
export const DatedPrice = Price.extend({ from: z.iso.date() });
export type DatedPrice = z.infer<typeof DatedPrice>;

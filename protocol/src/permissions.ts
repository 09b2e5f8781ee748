import * as z from 'zod';

/*
 * The permission rules of the settings: what DevLM's tools may do without a question, after one, or not at all.
 */

/**
 * What may happen: without a question, after one, only in a copy (a command; for all else this asks), or not
 * at all. In rising strictness.
 */
export const Verdict = z.enum(['allow', 'ask', 'rehearse', 'deny']);
export type Verdict = z.infer<typeof Verdict>;

/** One rule of the settings. It applies to a part of an action that meets every condition it states. */
export const Rule = z.strictObject({
  verdict: Verdict,
  /** Name of a tool; `*` stands for any characters. */
  tool: z.string().min(1).max(100),
  /** Glob of a path in the workspace: `*` and `?` within a folder, `**` across folders. */
  path: z.string().min(1).max(300).optional(),
  /** First words of a command, as `git status`: any command that begins with these words. */
  command: z.string().trim().min(1).max(300).optional(),
  /** The words of `command` are all there may be. */
  exact: z.boolean().optional(),
  /** A host name, or `*.example.org` for those below it. */
  host: z.string().min(1).max(253).optional(),
});
export type Rule = z.infer<typeof Rule>;

/** The rules of one settings file. */
export const Rules = z.array(Rule).max(500);
export type Rules = z.infer<typeof Rules>;

/**
 * A rule that "always allow" may add: of one named tool, and of no more than a folder, a command or a host.
 * Without any of these it is for a tool of somebody else's, whose effect nobody here knows.
 */
export const AlwaysRule = Rule.extend({
  verdict: z.literal('allow'),
  tool: z
    .string()
    .max(100)
    .regex(/^[\w.-]+$/),
  path: z
    .string()
    .max(300)
    .regex(/^(?!\/)[^*?\\]*(?:\/\*|[^*?\\/])$/)
    .optional(),
  host: z
    .string()
    .max(253)
    .regex(/^[^*\s]+$/)
    .optional(),
}).refine(({ tool, path, command, host }) => {
  const conditions = [path, command, host].filter((part) => part !== undefined).length;
  // Tools of somebody else's bear the name of their owner, as in `mcp__files__list`.
  return conditions === 1 || (conditions === 0 && tool.includes('__'));
});
export type AlwaysRule = z.infer<typeof AlwaysRule>;

/** The rule that an ask offers, or null when what it holds is none. */
export function offeredRule(text: string | null): AlwaysRule | null {
  if (text === null) return null;
  try {
    return AlwaysRule.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

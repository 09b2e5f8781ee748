import * as z from 'zod';

/*
 * The permission rules of the settings: which actions of tools are allowed, which require a question, and which are
 * denied.
 */

/**
 * The verdict on an action, in order of increasing strictness: allowed, allowed after a question, run only on a copy of
 * the workspace (for commands; any other action requires a question), or denied.
 */
export const PermissionVerdict = z.enum(['allow', 'ask', 'rehearse', 'deny']);
export type PermissionVerdict = z.infer<typeof PermissionVerdict>;

/** A rule of the settings. It applies to a part of an action that meets all its conditions. */
export const Rule = z.strictObject({
  verdict: PermissionVerdict,
  /** Name of a tool. `*` matches any characters. */
  tool: z.string().min(1).max(100),
  /** Glob for paths in the workspace: `*` and `?` match within a folder, `**` across folders. */
  path: z.string().min(1).max(300).optional(),
  /** First words of a command, such as `git status`. Matches any command that begins with these words. */
  command: z.string().trim().min(1).max(300).optional(),
  /** Whether the command must consist of exactly these words. */
  exact: z.boolean().optional(),
  /** A host name, or `*.example.org` for its subdomains. */
  host: z.string().min(1).max(253).optional(),
});
export type Rule = z.infer<typeof Rule>;

/** The rules of one settings file. */
export const Rules = z.array(Rule).max(500);
export type Rules = z.infer<typeof Rules>;

/**
 * A rule that "always allow" may add: for one named tool, and at most a folder, a command or a host. A rule without any
 * of these conditions is for a third-party tool whose effects are unknown.
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
  // Names of third-party tools contain the name of their owner, as in `mcp__files__list`.
  return conditions === 1 || (conditions === 0 && tool.includes('__'));
});
export type AlwaysRule = z.infer<typeof AlwaysRule>;

/** Returns the rule that a question offers, or null if the text is not such a rule. */
export function offeredRule(text: string | null): AlwaysRule | null {
  if (text === null) return null;
  try {
    return AlwaysRule.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ToolDetails } from '@devlm/protocol/tools.ts';
import { sha256Hex } from '../../sha256.ts';
import { permit } from '../policy/permission.ts';
import { untrustedText } from '../policy/untrusted.ts';
import { revealSecretsIn } from '../secrets/uses.ts';
import { cut, failed, type Tool, type ToolContext } from '../tool.ts';

/** Maximum length of the name of a tool in the Messages API, in characters. */
const maxNameChars = 64;
/** Maximum length of a description, in UTF-16 code units. */
const maxDescriptionChars = 1_000;

/** The result of a call to a third-party tool. */
export interface ForeignResult {
  readonly ok: boolean;
  readonly text: string;
  readonly images: NonNullable<ToolDetails['images']>;
}

/** A tool of an MCP server or of another extension. Its own claims are not trusted. */
export interface ForeignTool {
  /** Name under which the model calls it. */
  readonly name: string;
  /** Its owner, for the user: `the MCP server "x"`. */
  readonly owner: string;
  /** Name that its owner gave it. */
  readonly title: string;
  readonly description: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
  /** Name of the source to which its untrusted results are attributed. */
  readonly source: string;
  /** @throws ProblemError, or the signal's reason */
  readonly call: (input: Readonly<Record<string, unknown>>, context: ToolContext) => Promise<ForeignResult>;
}

/**
 * Wraps a third-party tool: each call must be allowed by a rule or by the user, is made once, and its result is bounded
 * and marked as untrusted.
 */
export function foreignTool({ name, owner, title, description, inputSchema, source, call }: ForeignTool): Tool {
  return {
    name,
    description: `A tool of ${owner}, described by its owner as: ${printable(description).slice(0, maxDescriptionChars)}`,
    inputSchema,
    // Not read-only, whatever the owner claims.
    readOnly: false,
    async run(value, context) {
      const input = { ...Object(value) };
      const details: ToolDetails = { untrusted: [{ kind: 'mcp', name: source.slice(0, 300) }] };
      if (context.begun)
        return failed(
          `DevLM stopped while ${owner} ran this call. The call may or may not have had its effect. Find out before you call it again.`,
        );
      const refused = await permit(context, await context.workspace(), { tool: name, effect: 'external' }, () => ({
        title: `Use ${printable(title).slice(0, 80)} of ${owner}`.slice(0, 200),
        detail: cut(JSON.stringify(input, null, 2), 100_000),
        format: 'text',
      }));
      if (refused) return refused;
      await context.begin({});
      try {
        const { ok, text, images } = await call({ ...Object(revealSecretsIn(context.secrets, input)) }, context);
        return {
          ok,
          text: untrustedText('tool_result', { from: owner }, cut(context.secrets.hide(text.toWellFormed()))),
          details: { ...details, ...(images.length > 0 ? { images } : {}) },
        };
      } catch (error) {
        context.signal.throwIfAborted();
        if (error instanceof ProblemError)
          return failed(cut(context.secrets.hide(error.problem.detail), 4_000), details);
        throw error;
      }
    },
  };
}

/**
 * Returns a name that the Messages API accepts. A name that had to be changed ends with a hash of the original, so that
 * names stay unique.
 */
export function foreignName(prefix: string, name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9_-]/g, '_');
  const maxChars = maxNameChars - prefix.length;
  if (plain === name && plain.length <= maxChars) return prefix + plain;
  return `${prefix}${plain.slice(0, maxChars - 9)}_${sha256Hex(name).slice(0, 8)}`;
}

/** Returns the text without lone surrogates and invisible characters. */
export function printable(text: string): string {
  return text.toWellFormed().replaceAll(/(?![\n\t])[\p{Cc}\p{Cf}]/gu, ' ');
}

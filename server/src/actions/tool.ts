import type { CommandNews, CommandRef } from '@devlm/protocol/commands.ts';
import type { ExecutionRecord, ExecutionRequest } from '@devlm/protocol/execution.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { AnswerState } from '@devlm/protocol/state.ts';
import type { Ask, FileChange, ToolDetails } from '@devlm/protocol/tools.ts';
import * as z from 'zod';
import type { Workspace } from '../workspace/workspace.ts';
import type { Trust } from './policy/rules.ts';
import type { Secrets } from './secrets/secrets.ts';
import type { SymbolIndex } from './symbols/project-symbols.ts';
import type { Web } from './web/web.ts';

/** The result of a tool call. A failure is a result too: its text tells the model what to do instead. */
export interface ToolOutcome {
  readonly ok: boolean;
  readonly text: string;
  readonly details?: ToolDetails;
}

/** The effects of a call, logged before they begin, so that a later server can resume the call. */
export interface BegunCall {
  readonly changes?: readonly FileChange[] | undefined;
  readonly executionId?: string | undefined;
  readonly command?: CommandRef | undefined;
}

/** The context of one tool call: the services that the tool may use and its channels to the log and the user. */
export interface ToolContext {
  readonly conversationId: string;
  readonly turnId: string;
  readonly callId: string;
  readonly signal: AbortSignal;
  /** Returns whether the signal was aborted because the user stopped the turn, not because the server shuts down. */
  stopped(): boolean;
  /** Returns the workspace of the conversation. @throws ProblemError `no_workspace` if it has no project */
  workspace(): Promise<Workspace>;
  /** Hashes of the file versions that the model has seen, by path. Only the last version counts. */
  readonly known: ReadonlyMap<string, string>;
  /** Commands that the model has started in this conversation, by id, in their last state reported to the model. */
  readonly commands: ReadonlyMap<string, CommandNews>;
  /** Whether untrusted text is in the conversation, and what the user has agreed to. */
  readonly trust: Trust;
  /** Details of the finished calls of this turn. */
  readonly earlier: readonly ToolDetails[];
  readonly web: Web;
  /**
   * The credentials of the conversation. The workspace and the web of this context hide and resolve them by themselves.
   */
  readonly secrets: Secrets;
  /** Whether the call contains a placeholder of a credential, so that only the user can allow it. */
  readonly usesSecrets: boolean;
  /**
   * Returns the current index of the symbols defined in the workspace. @throws ProblemError the errors of `workspace`
   */
  symbols(): Promise<SymbolIndex>;
  /** What an earlier server had begun for this call, or null. */
  readonly begun: BegunCall | null;
  /** Asks the user and waits for the answer, across restarts if necessary. At most once per call. */
  ask(ask: Ask): Promise<AnswerState>;
  /** Logs what the call is about to do. Must be awaited before the first effect. */
  begin(intent: BegunCall): Promise<void>;
  /** Shows text to the user while the call runs. The model does not see it. */
  output(text: string): void;
  /** Stores a text and returns its hash. */
  putText(text: string): Promise<string>;
  /** Returns a stored text by its hash, or null if it is not stored. */
  getText(hash: string): Promise<string | null>;
  /** Stores an image and returns its hash. */
  putImage(mediaType: string, data: Uint8Array): Promise<string>;
  /** Runs a program in the sandbox and returns its record. Returns the same record for the same id. */
  execute(request: ExecutionRequest, onOutput: (text: string) => void): Promise<ExecutionRecord>;
}

/** A tool that the model may call. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the input object. */
  readonly inputSchema: Readonly<Record<string, unknown>>;
  /** Whether it changes nothing, so that it may run in parallel with others and again after a crash. */
  readonly readOnly: boolean;
  /** Runs the tool. Rejects only with the signal's reason, or with a bug. */
  run(input: unknown, context: ToolContext): Promise<ToolOutcome>;
}

/** Creates a tool from a schema and a function. Invalid input and failures become results that the model can use. */
export function defineTool<S extends z.ZodType>(tool: {
  readonly name: string;
  readonly description: string;
  readonly input: S;
  readonly readOnly: boolean;
  readonly run: (input: z.output<S>, context: ToolContext) => Promise<ToolOutcome>;
}): Tool {
  const { name, description, input, readOnly } = tool;
  const { $schema: _schema, ...inputSchema } = z.toJSONSchema(input, { io: 'input' });
  return {
    name,
    description,
    inputSchema,
    readOnly,
    async run(value, context) {
      const parsed = input.safeParse(value, { error: missingMessage });
      if (!parsed.success) return failed(`The input of ${name} is not valid. ${describeIssues(parsed.error)}`);
      try {
        const outcome = await tool.run(parsed.data, context);
        // Hide before cutting: half a credential would not be found.
        return { ...outcome, text: cut(context.secrets.hide(outcome.text)) };
      } catch (error) {
        context.signal.throwIfAborted();
        if (error instanceof ProblemError) return failed(cut(context.secrets.hide(error.problem.detail)));
        throw error;
      }
    },
  };
}

/** Returns the outcome of a call that succeeded. */
export const done = (text: string, details?: ToolDetails): ToolOutcome => ({
  ok: true,
  text,
  ...(details ? { details } : {}),
});
/** Returns the outcome of a call that failed. */
export const failed = (text: string, details?: ToolDetails): ToolOutcome => ({
  ok: false,
  text,
  ...(details ? { details } : {}),
});

/** Returns the beginning and the end of a text that is too long, with a note of how many characters are left out. */
export function cut(text: string, chars: number = limits.toolResultChars): string {
  if (text.length <= chars) return text;
  const half = Math.floor((chars - 100) / 2);
  const omittedChars = text.length - 2 * half;
  return `${text.slice(0, half).toWellFormed()}\n[... ${omittedChars} characters omitted ...]\n${text.slice(-half).toWellFormed()}`;
}

/** Returns the message for a missing value; undefined keeps zod's own message. */
function missingMessage({ code, input }: z.core.$ZodRawIssue): string | undefined {
  return code === 'invalid_type' && input === undefined ? 'It is missing' : undefined;
}

function describeIssues(error: z.ZodError): string {
  const issues = error.issues.slice(0, 5).map((issue) => {
    const path = issue.path.join('.');
    return path === '' ? issue.message : `${path}: ${issue.message}`;
  });
  return `${issues.join('; ')}. Correct the input and call the tool again.`;
}

import type { CommandNews, CommandRef } from '@devlm/protocol/commands.ts';
import type { ExecutionRecord, ExecutionRequest } from '@devlm/protocol/execution.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Ask, AskAnswer, FileChange, ToolDetails } from '@devlm/protocol/tools.ts';
import * as z from 'zod';
import type { Workspace } from '../workspace/workspace.ts';
import type { Trust } from './policy/rules.ts';
import type { Secrets } from './secrets/secrets.ts';
import type { SymbolIndex } from './symbols/project-symbols.ts';
import type { Web } from './web/web.ts';

/** What a tool's work comes to. A failure is a result too: its text tells the model what to do instead. */
export interface ToolOutcome {
  readonly ok: boolean;
  readonly text: string;
  readonly details?: ToolDetails;
}

/** What a call began before a server died over it. */
export interface Begun {
  readonly changes?: readonly FileChange[] | undefined;
  readonly executionId?: string | undefined;
  readonly command?: CommandRef | undefined;
}

/** One call of a tool: what it may use, and what it has to tell. */
export interface ToolContext {
  readonly conversationId: string;
  readonly turnId: string;
  readonly callId: string;
  readonly signal: AbortSignal;
  /** The signal has aborted because the person stopped the turn, not because the server goes away. */
  stopped(): boolean;
  /** @throws ProblemError `no_workspace` where the conversation has no project */
  workspace(): Promise<Workspace>;
  /** Hashes of the file versions that the model has seen, by path; the last one counts. */
  readonly known: ReadonlyMap<string, string>;
  /** Commands that the model has started in this conversation, by id, as it knows them. */
  readonly commands: ReadonlyMap<string, CommandNews>;
  /** Whether untrusted text is in the conversation, and what the person has agreed to in it. */
  readonly trust: Trust;
  /** What the calls of this turn that are over have left. */
  readonly earlier: readonly ToolDetails[];
  readonly web: Web;
  /** The credentials of the conversation. What is read and run here is hidden and resolved by itself. */
  readonly secrets: Secrets;
  /** The call names a credential by its placeholder: only the person can let it act. */
  readonly usesSecrets: boolean;
  /** What is defined in the workspace, as it is now. @throws ProblemError as `workspace` */
  symbols(): Promise<SymbolIndex>;
  /** Set when an earlier server had begun this very call. */
  readonly begun: Begun | null;
  /** Waits for the person, over restarts if need be. Asked once a call. */
  ask(ask: Ask): Promise<AskAnswer>;
  /** To be awaited before the first effect: it is in the log when this resolves. */
  begin(intent: Begun): Promise<void>;
  /** Shows the person what happens; the model does not read it. */
  output(text: string): void;
  putText(text: string): Promise<string>;
  getText(hash: string): Promise<string | null>;
  putImage(mediaType: string, data: Uint8Array): Promise<string>;
  /** Runs a program in the sandbox to its record. The same id again answers the same record. */
  execute(request: ExecutionRequest, hear: (text: string) => void): Promise<ExecutionRecord>;
}

/** A tool that the model may call. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the input object. */
  readonly inputSchema: Readonly<Record<string, unknown>>;
  /** Changes nothing: may run beside others, and again after a crash. */
  readonly readOnly: boolean;
  /** Never rejects but with the signal's reason. */
  run(input: unknown, context: ToolContext): Promise<ToolOutcome>;
}

/** Makes a tool of a schema and a function: bad input and failures become results that the model can use. */
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
      const parsed = input.safeParse(value, { error: missing });
      if (!parsed.success) return failed(`The input of ${name} is not right. ${sentence(parsed.error)}`);
      try {
        const outcome = await tool.run(parsed.data, context);
        // Before anything is cut: half a credential would not be found.
        return { ...outcome, text: cut(context.secrets.hide(outcome.text)) };
      } catch (error) {
        context.signal.throwIfAborted();
        if (error instanceof ProblemError) return failed(cut(context.secrets.hide(error.problem.detail)));
        throw error;
      }
    },
  };
}

export const done = (text: string, details?: ToolDetails): ToolOutcome => ({
  ok: true,
  text,
  ...(details ? { details } : {}),
});
export const failed = (text: string, details?: ToolDetails): ToolOutcome => ({
  ok: false,
  text,
  ...(details ? { details } : {}),
});

/** Keeps the beginning and the end of a text that is too long, and says what is missing. */
export function cut(text: string, chars: number = limits.toolResultChars): string {
  if (text.length <= chars) return text;
  const half = Math.floor((chars - 100) / 2);
  const left = text.length - 2 * half;
  return `${text.slice(0, half).toWellFormed()}\n[... ${left} characters left out ...]\n${text.slice(-half).toWellFormed()}`;
}

/** Words for what is not there; the checker's own for everything else. */
function missing({ code, input }: z.core.$ZodRawIssue): string | undefined {
  return code === 'invalid_type' && input === undefined ? 'It is missing' : undefined;
}

function sentence(error: z.ZodError): string {
  const issues = error.issues.slice(0, 5).map((issue) => {
    const where = issue.path.join('.');
    return where === '' ? issue.message : `${where}: ${issue.message}`;
  });
  return `${issues.join('; ')}. Call it again with the input mended.`;
}

import { randomUUID } from 'node:crypto';
import { ExecutionRequest } from '@devlm/protocol/execution.ts';
import * as z from 'zod';
import type { ServerConnection } from '../connection/connection.ts';
import type { Translate } from '../ports.ts';
import type { Problems } from '../problems.ts';
import { receiptLine } from '../runs/receipt-line.ts';
import type { ChatToolName } from './names.ts';

/** Input of `devlm_run_code`: a program without network and without files. */
const RunInput = z.object({
  language: z.string(),
  source: z.string(),
  stdin: z.string().optional(),
  args: z.array(z.string()).optional(),
});

/** Timeout of a program or a search in milliseconds: the server's limit plus transport. */
const timeoutMs = 330_000;
/** Maximum length of each output stream in the result, in UTF-16 code units. */
const maxOutputChars = 20_000;

/** Dependencies of `ChatTools`. */
export interface ChatToolsOptions {
  readonly connection: Pick<ServerConnection, 'call'>;
  readonly projectId: () => string | null;
  readonly problems: Problems;
  readonly t: Translate;
}

/** DevLM's tools for VS Code's own chat, executed by the server. */
export class ChatTools {
  readonly #options: ChatToolsOptions;

  constructor(options: ChatToolsOptions) {
    this.#options = options;
  }

  /**
   * Runs a tool.
   * @param input validated by the editor against the manifest's schema, and again here
   * @returns a text for the model
   * @throws ProblemError, or the signal's reason if aborted
   */
  async run(name: ChatToolName, input: object, signal: AbortSignal): Promise<string> {
    if (name === 'devlm_run_code') return await this.#runCode(input, signal);
    const { connection, projectId } = this.#options;
    const { text } = await connection.call(
      'actions.run',
      {
        params: { tool: name.slice('devlm_'.length) },
        // The editor has asked the user where that is required (`prepareInvocation`).
        body: { projectId: projectId(), input: JSON.parse(JSON.stringify(input)), confirmed: true },
      },
      { signal, timeoutMs },
    );
    return text;
  }

  async #runCode(input: object, signal: AbortSignal): Promise<string> {
    const { connection, problems, t } = this.#options;
    const parsed = RunInput.safeParse(input);
    const request = ExecutionRequest.safeParse({ ...parsed.data, id: randomUUID() });
    if (!request.success) throw problems.invalidRequest(request.error.issues[0]?.message ?? '');
    const record = await connection.call('executions.run', { body: request.data }, { signal, timeoutMs });
    const parts = [receiptLine(record, t)];
    for (const stream of ['stdout', 'stderr'] as const)
      if (record[stream] !== '') parts.push(`${stream}:\n${record[stream].slice(-maxOutputChars)}`);
    return parts.join('\n\n');
  }
}

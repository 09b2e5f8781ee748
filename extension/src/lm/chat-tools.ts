import { randomUUID } from 'node:crypto';
import { ExecutionRequest } from '@devlm/protocol/execution.ts';
import * as z from 'zod';
import type { ServerConnection } from '../connection/connection.ts';
import type { Translate } from '../ports.ts';
import type { Problems } from '../problems.ts';
import { receiptLine } from '../runs/receipt-line.ts';
import type { ChatToolName } from './names.ts';

/** What the other chat may say of a program: no network, no files. */
const RunInput = z.object({
  language: z.string(),
  source: z.string(),
  stdin: z.string().optional(),
  args: z.array(z.string()).optional(),
});

/** Longest run of a program or a search, milliseconds: what the server allows, and the way. */
const timeoutMs = 330_000;
/** Most of what a program prints that goes to the other chat, UTF-16 code units. */
const outputChars = 20_000;

export interface ChatToolsOptions {
  readonly connection: Pick<ServerConnection, 'call'>;
  readonly projectId: () => string | null;
  readonly problems: Problems;
  readonly t: Translate;
}

/** Our tools as VS Code's own chat uses them, answered by the companion server. */
export class ChatTools {
  readonly #options: ChatToolsOptions;

  constructor(options: ChatToolsOptions) {
    this.#options = options;
  }

  /**
   * @param input checked by the editor against the manifest's schema, and here again
   * @returns a text for the model
   * @throws ProblemError, or the signal's reason
   */
  async run(name: ChatToolName, input: object, signal: AbortSignal): Promise<string> {
    if (name === 'devlm_run_code') return await this.#runCode(input, signal);
    const { connection, projectId } = this.#options;
    const { text } = await connection.call(
      'actions.run',
      {
        params: { tool: name.slice('devlm_'.length) },
        // Where it asks, the editor has asked (`prepareInvocation`).
        body: { projectId: projectId(), input: JSON.parse(JSON.stringify(input)), confirmed: true },
      },
      { signal, timeoutMs },
    );
    return text;
  }

  async #runCode(input: object, signal: AbortSignal): Promise<string> {
    const { connection, problems, t } = this.#options;
    const asked = RunInput.safeParse(input);
    const request = ExecutionRequest.safeParse({ ...asked.data, id: randomUUID() });
    if (!request.success) throw problems.invalidRequest(request.error.issues[0]?.message ?? '');
    const record = await connection.call('executions.run', { body: request.data }, { signal, timeoutMs });
    const parts = [receiptLine(record, t)];
    for (const stream of ['stdout', 'stderr'] as const)
      if (record[stream] !== '') parts.push(`${stream}:\n${record[stream].slice(-outputChars)}`);
    return parts.join('\n\n');
  }
}

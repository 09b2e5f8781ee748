import * as vscode from 'vscode';
import * as z from 'zod';
import { withSignal } from '../cancellation.ts';
import type { ChatTools } from './chat-tools.ts';
import { type ChatToolName, chatToolNames, participantId } from './names.ts';
import type { Participant } from './participant.ts';

const t = vscode.l10n.t;

/** Implementation of the contributions to VS Code's own chat, loaded on first use. */
export interface ChatParts {
  readonly chatTools: ChatTools;
  readonly participant: Participant;
}

const Query = z.object({ query: z.string().max(1000) });

/** Registers DevLM's tools and the participant `@devlm` with VS Code's own chat. */
export function registerChatParts(parts: () => Promise<ChatParts>): vscode.Disposable {
  const tools = chatToolNames.map((name) =>
    vscode.lm.registerTool<object>(name, {
      prepareInvocation: ({ input }) => prepareInvocation(name, input),
      invoke: async ({ input }, token) => {
        const { chatTools } = await parts();
        const text = await withSignal(token, (signal) => chatTools.run(name, input, signal));
        return new vscode.LanguageModelToolResult([new vscode.LanguageModelTextPart(text)]);
      },
    }),
  );
  const participant = vscode.chat.createChatParticipant(participantId, async (request, context, stream, token) => {
    const handler = (await parts()).participant;
    return await withSignal(token, (signal) => handler.answer(request, context, stream, signal));
  });
  participant.iconPath = new vscode.ThemeIcon('comment-discussion');
  return vscode.Disposable.from(...tools, participant);
}

/** Returns the progress message of a call, and a confirmation if data leaves the machine. */
function prepareInvocation(name: ChatToolName, input: object): vscode.PreparedToolInvocation {
  switch (name) {
    case 'devlm_run_code':
      return { invocationMessage: t('Running a program in the sandbox') };
    case 'devlm_symbol_search':
      return { invocationMessage: t('Searching for symbols') };
    case 'devlm_web_search':
      return {
        invocationMessage: t('Searching the web'),
        confirmationMessages: {
          title: t('Search the web with DevLM?'),
          message: Query.safeParse(input).data?.query ?? '',
        },
      };
  }
}

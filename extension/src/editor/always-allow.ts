import { type AlwaysRule, offeredRule, Rules } from '@devlm/protocol/permissions.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { addTurns, emptyConversation } from '@devlm/protocol/reducer.ts';
import type { TurnRecord } from '@devlm/protocol/state.ts';
import * as vscode from 'vscode';
import type { ServerConnection } from '../connection/connection.ts';

const t = vscode.l10n.t;

/** The setting with the permission rules, below `devlm`. */
const rulesSetting = 'permissions';

/** Names a question that a tool asks. */
export interface AskName {
  readonly conversationId: string;
  readonly turnId: string;
  readonly callId: string;
}

/**
 * Adds the rule that an open question offers to the person's own settings. The page only names the question:
 * the rule is the one that the server computed when it asked, so nothing in the page can make up another.
 *
 * @throws ProblemError when nothing is offered, or the settings cannot take it
 */
export async function allowAlways(name: AskName, connection: ServerConnection, signal: AbortSignal): Promise<void> {
  const { conversationId, turnId } = name;
  const page = { params: { conversationId }, query: { at: turnId, limit: 1 } };
  const { turns } = await connection.call('turns.list', page, { signal });
  const rule = ruleOf(turns, name);
  if (!rule) throw refused('no_rule', t('Nothing can be allowed for good here.'));
  const settings = vscode.workspace.getConfiguration('devlm');
  // The editor may hand out proxies.
  const present: unknown = JSON.parse(JSON.stringify(settings.inspect(rulesSetting)?.globalValue ?? []));
  const rules = Rules.safeParse(present);
  if (!rules.success)
    throw refused('bad_rules', t('The permission rules in your settings cannot be read. Mend them first.'));
  const added = Rules.safeParse([...rules.data, rule]);
  if (!added.success) throw refused('too_many_rules', t('Your settings hold no more permission rules.'));
  if (rules.data.some((other) => JSON.stringify(other) === JSON.stringify(rule))) return;
  await settings.update(rulesSetting, added.data, vscode.ConfigurationTarget.Global);
}

/** What a question that still waits offers; null: nothing. */
function ruleOf(turns: readonly TurnRecord[], { conversationId, turnId, callId }: AskName): AlwaysRule | null {
  const turn = addTurns(emptyConversation(conversationId), turns).turns[turnId];
  const call = turn?.steps.map(({ calls }) => calls[callId]).find((each) => each?.ask !== undefined);
  const waits = turn?.status === 'running' && call !== undefined && call.answer === undefined;
  return waits && call.ask?.kind === 'approval' ? offeredRule(call.ask.rule) : null;
}

function refused(code: string, detail: string): ProblemError {
  return new ProblemError({ code, status: 400, title: t('Not possible'), detail });
}

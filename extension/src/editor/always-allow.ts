import { type AlwaysRule, offeredRule, Rules } from '@devlm/protocol/permissions.ts';
import { addTurns, emptyConversation } from '@devlm/protocol/reducer.ts';
import type { TurnRecord } from '@devlm/protocol/state.ts';
import * as vscode from 'vscode';
import type { ServerConnection } from '../connection/connection.ts';
import { actionRefused } from './action-refused.ts';

const t = vscode.l10n.t;

/** Setting with the permission rules, below `devlm`. */
const rulesSetting = 'permissions';

/** Identifies a question that a tool asks. */
export interface AskName {
  readonly conversationId: string;
  readonly turnId: string;
  readonly callId: string;
}

/**
 * Adds the rule that an open question offers to the user's settings. The page only identifies the question: the rule
 * is the one that the server computed, so the page cannot make up another.
 *
 * @throws ProblemError if no rule is offered, or the settings cannot store it
 */
export async function allowAlways(name: AskName, connection: ServerConnection, signal: AbortSignal): Promise<void> {
  const { conversationId, turnId } = name;
  const page = { params: { conversationId }, query: { at: turnId, limit: 1 } };
  const { turns } = await connection.call('turns.list', page, { signal });
  const rule = ruleOf(turns, name);
  if (!rule)
    throw actionRefused(
      'no_rule',
      t('Cannot add a permission rule because this question has been answered or offers no rule.'),
    );
  const settings = vscode.workspace.getConfiguration('devlm');
  // Copy the value, because the editor may return proxies.
  const currentRules: unknown = JSON.parse(JSON.stringify(settings.inspect(rulesSetting)?.globalValue ?? []));
  const rules = Rules.safeParse(currentRules);
  if (!rules.success)
    throw actionRefused(
      'bad_rules',
      t('Cannot read the permission rules in your settings. Correct the setting "devlm.permissions", then try again.'),
    );
  const added = Rules.safeParse([...rules.data, rule]);
  if (!added.success)
    throw actionRefused(
      'too_many_rules',
      t(
        'Cannot add a permission rule because your settings have reached the maximum number of rules. Remove some, then try again.',
      ),
    );
  if (rules.data.some((existing) => JSON.stringify(existing) === JSON.stringify(rule))) return;
  await settings.update(rulesSetting, added.data, vscode.ConfigurationTarget.Global);
}

/** Returns the rule that a pending question offers, or null. */
function ruleOf(turns: readonly TurnRecord[], { conversationId, turnId, callId }: AskName): AlwaysRule | null {
  const turn = addTurns(emptyConversation(conversationId), turns).turns[turnId];
  const call = turn?.steps.map(({ calls }) => calls[callId]).find((candidate) => candidate?.ask !== undefined);
  const isPending = turn?.status === 'running' && call !== undefined && call.answer === undefined;
  return isPending && call.ask?.kind === 'approval' ? offeredRule(call.ask.rule) : null;
}

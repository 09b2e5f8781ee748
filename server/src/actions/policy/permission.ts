import { Rules } from '@devlm/protocol/permissions.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { AnswerState } from '@devlm/protocol/state.ts';
import type { Ask } from '@devlm/protocol/tools.ts';
import type { Workspace } from '../../workspace/workspace.ts';
import { failed, type ToolContext, type ToolOutcome } from '../tool.ts';
import { alwaysRule } from './always.ts';
import { type Action, decide, type PolicyDecision } from './rules.ts';

/** The description of an action that is shown to the user with the question. */
export type ApprovalText = Pick<Extract<Ask, { kind: 'approval' }>, 'title' | 'detail' | 'format'>;

/** The source of the permission rules: usually the editor window that shares the project. */
export type PolicySource = Pick<Workspace, 'restricted' | 'rules' | 'noSettings'>;

/** The source for a conversation without a project: no rules, so that only the user can allow anything. */
const noRules: PolicySource = { restricted: false, rules: { user: null, workspace: null }, noSettings: true };

/** Returns the workspace of the conversation, or a source without rules if it has no workspace. */
export async function policySource(context: ToolContext): Promise<PolicySource> {
  try {
    return await context.workspace();
  } catch (error) {
    if (error instanceof ProblemError && error.problem.code === 'no_workspace') return noRules;
    throw error;
  }
}

/**
 * Returns null if an action is allowed, or else the tool result that says why it is not. The settings decide first,
 * then the user. Of the model's text, only the action itself is considered.
 *
 * @param show describes the action; called only if the user is asked
 */
export async function permit(
  context: ToolContext,
  workspace: PolicySource,
  action: Action,
  show: () => ApprovalText,
): Promise<ToolOutcome | null> {
  const { verdict, reason } = judge(context, workspace, action);
  if (verdict === 'deny') return deniedByRules(reason);
  if (verdict === 'allow') return null;
  const answer = await context.ask({
    kind: 'approval',
    ...show(),
    reason: reason.slice(0, 1000),
    ...(action.hosts ? { hosts: [...action.hosts] } : {}),
    ...(action.paths ? { paths: action.paths.filter((path) => path !== null) } : {}),
    rule: ruleToOffer(context, workspace, action),
  });
  return isAllowed(answer) ? null : deniedByUser(answer);
}

/** Returns the result of a tool whose action the permission rules deny. */
export function deniedByRules(reason: string): ToolOutcome {
  return failed(`This is not allowed. ${reason}`);
}

/** Returns whether the user has allowed the action. */
export function isAllowed(answer: AnswerState): boolean {
  return answer.kind === 'approval' && answer.allow;
}

/** Returns the result of a tool whose action the user did not allow, with the user's note. */
export function deniedByUser(answer: AnswerState): ToolOutcome {
  const note = answer.kind === 'approval' && answer.note ? ` They said: ${answer.note}` : '';
  return failed(`The user did not allow this.${note}`);
}

/** Returns the verdict on an action, based on the settings and on the text in the conversation. */
export function judge(
  { trust, usesSecrets }: ToolContext,
  { restricted, rules }: PolicySource,
  action: Action,
): Pick<PolicyDecision, 'verdict' | 'reason'> {
  const { broken, ...known } = parseRules(rules);
  const { verdict, reason } = decide(action, known, { restricted, ...trust });
  // Writing a file is not included: an edit cannot put a credential where there was none before.
  if (usesSecrets && verdict === 'allow' && ['run', 'fetch', 'external'].includes(action.effect))
    return { verdict: 'ask', reason: 'It receives a credential in place of DEVLM_SECRET_…' };
  return { verdict, reason: broken ? `${reason} DevLM cannot read the permission rules in the settings.` : reason };
}

/** Returns the rule that the user may add to the settings, as JSON, or null if there is none. */
function ruleToOffer({ trust, usesSecrets }: ToolContext, source: PolicySource, action: Action): string | null {
  if (usesSecrets) return null;
  const { broken, ...known } = parseRules(source.rules);
  // Without a window, no rules from the settings reach the server.
  if (broken || source.noSettings) return null;
  const rule = alwaysRule(action, known, { restricted: source.restricted, ...trust });
  return rule && JSON.stringify(rule);
}

function parseRules(rules: PolicySource['rules']): { user: Rules; workspace: Rules; broken: boolean } {
  const user = Rules.safeParse(rules.user ?? []);
  const workspaceRules = Rules.safeParse(rules.workspace ?? []);
  // A rule that cannot be parsed might have been one that denies.
  const broken = !user.success || !workspaceRules.success;
  return { user: broken ? [] : user.data, workspace: workspaceRules.data ?? [], broken };
}

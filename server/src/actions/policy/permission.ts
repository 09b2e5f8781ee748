import { Rules } from '@devlm/protocol/permissions.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Ask } from '@devlm/protocol/tools.ts';
import type { Workspace } from '../../workspace/workspace.ts';
import { failed, type ToolContext, type ToolOutcome } from '../tool.ts';
import { alwaysRule } from './always.ts';
import { type Action, type Decision, decide } from './rules.ts';

/** What the person sees when they are asked. */
export type Shown = Pick<Extract<Ask, { kind: 'approval' }>, 'title' | 'detail' | 'format'>;

/** Who says what may happen: the window that lends the project. */
export type RuleGiver = Pick<Workspace, 'restricted' | 'rules' | 'noSettings'>;

/** For a conversation without a project: nothing is allowed but by the person. */
const nobody: RuleGiver = { restricted: false, rules: { user: null, workspace: null }, noSettings: true };

/** The workspace of the conversation; where it has none, there are no rules. */
export async function ruleGiver(context: ToolContext): Promise<RuleGiver> {
  try {
    return await context.workspace();
  } catch (error) {
    if (error instanceof ProblemError && error.problem.code === 'no_workspace') return nobody;
    throw error;
  }
}

/**
 * Lets an action through, or answers the result that says why not. What the settings say decides, then
 * the person; nothing that a model wrote is looked at but what it wants to do.
 *
 * @param show is called only where the person is asked
 */
export async function permit(
  context: ToolContext,
  workspace: RuleGiver,
  action: Action,
  show: () => Shown,
): Promise<ToolOutcome | null> {
  const { verdict, reason } = judge(context, workspace, action);
  if (verdict === 'deny') return failed(`This is not allowed: ${reason}`);
  if (verdict === 'allow') return null;
  const answer = await context.ask({
    kind: 'approval',
    ...show(),
    reason: reason.slice(0, 1000),
    ...(action.hosts ? { hosts: [...action.hosts] } : {}),
    ...(action.paths ? { paths: action.paths.filter((path) => path !== null) } : {}),
    rule: offered(context, workspace, action),
  });
  if (answer.kind === 'approval' && answer.allow) return null;
  const note = answer.kind === 'approval' && answer.note ? ` They said: ${answer.note}` : '';
  return failed(`The person did not allow this.${note}`);
}

/** What the settings, and the text in the conversation, say of an action. */
export function judge(
  { trust, usesSecrets }: ToolContext,
  { restricted, rules }: RuleGiver,
  action: Action,
): Pick<Decision, 'verdict' | 'reason'> {
  const { broken, ...known } = readable(rules);
  const { verdict, reason } = decide(action, known, { restricted, ...trust });
  // Files get none where there was none before.
  if (usesSecrets && verdict === 'allow' && ['run', 'fetch', 'external'].includes(action.effect))
    return { verdict: 'ask', reason: 'It is given a credential, in the place of DEVLM_SECRET_…' };
  return { verdict, reason: broken ? `${reason} The permission rules in the settings cannot be read.` : reason };
}

/** The rule that the person may add to their settings, as JSON; null: there is none. */
function offered({ trust, usesSecrets }: ToolContext, giver: RuleGiver, action: Action): string | null {
  if (usesSecrets) return null;
  const { broken, ...known } = readable(giver.rules);
  // Without a window nobody brings the rules of the settings.
  if (broken || giver.noSettings) return null;
  const rule = alwaysRule(action, known, { restricted: giver.restricted, ...trust });
  return rule && JSON.stringify(rule);
}

function readable(rules: RuleGiver['rules']): { user: Rules; workspace: Rules; broken: boolean } {
  const user = Rules.safeParse(rules.user ?? []);
  const own = Rules.safeParse(rules.workspace ?? []);
  // A rule that cannot be read might have been one that forbids.
  const broken = !user.success || !own.success;
  return { user: broken ? [] : user.data, workspace: own.data ?? [], broken };
}

import type { Ask } from '@devlm/protocol/tools.ts';
import { type Action, decide, Rules } from './policy/rules.ts';
import { failed, type ToolContext, type ToolOutcome } from './tool.ts';
import type { Workspace } from './workspace.ts';

/** What the person sees when they are asked. */
export type Shown = Pick<Extract<Ask, { kind: 'approval' }>, 'title' | 'detail' | 'format'>;

/**
 * Lets an action through, or answers the result that says why not. What the settings say decides, then
 * the person; nothing that a model wrote is looked at but what it wants to do.
 *
 * @param show is called only where the person is asked
 */
export async function permit(
  context: ToolContext,
  workspace: Workspace,
  action: Action,
  show: () => Shown,
): Promise<ToolOutcome | null> {
  const user = Rules.safeParse(workspace.rules.user ?? []);
  const own = Rules.safeParse(workspace.rules.workspace ?? []);
  // A rule that cannot be read might have been one that forbids.
  const broken = !user.success || !own.success;
  const state = { restricted: workspace.restricted, taints: [], knownHosts: new Set<string>() };
  const rules = { user: user.data ?? [], workspace: own.data ?? [] };
  const { verdict, reason } = decide(action, broken ? { ...rules, user: [] } : rules, state);
  if (verdict === 'deny') return failed(`This is not allowed: ${reason}`);
  if (verdict === 'allow') return null;
  const why = broken ? `${reason} The permission rules in the settings cannot be read.` : reason;
  const answer = await context.ask({ kind: 'approval', ...show(), reason: why.slice(0, 1000), rule: null });
  if (answer.kind === 'approval' && answer.allow) return null;
  const note = answer.kind === 'approval' && answer.note ? ` They said: ${answer.note}` : '';
  return failed(`The person did not allow this.${note}`);
}

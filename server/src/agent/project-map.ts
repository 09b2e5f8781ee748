import { promptView } from './prompt-view.ts';
import type { TurnLog } from './turn-log.ts';

/**
 * Gives the model the repository map before the turn's message, unless the prompt has one already. It is in
 * the log from then on and never made anew, so that the prompt stays the same up to its last byte.
 */
export async function showProject(
  log: TurnLog,
  projectMap: ((focus: ReadonlySet<string>) => string | null) | undefined,
): Promise<void> {
  const { turn } = log;
  // Of a turn that has begun, the provider knows the beginning.
  if (!projectMap || !turn || turn.compact || turn.steps.length > 0) return;
  const { turns } = promptView(log.branch);
  if (turns.some(({ map }) => map !== undefined)) return;
  const focus = turns.flatMap(({ attachments }) => attachments.flatMap((each) => ('path' in each ? [each.path] : [])));
  const map = projectMap(new Set(focus));
  if (map === null) return;
  log.write({ type: 'project.mapped', turnId: log.turnId, text: mapText(map) });
  await log.flush();
}

function mapText(map: string): string {
  return `<repository_map>\nWhat other files use most in this project, with line numbers, as it was when the conversation began: a selection to start from, not the whole. symbol_search finds the rest.\n\n${map.replaceAll('</repository_map', '<\\/repository_map')}\n</repository_map>`;
}

import { promptView } from './prompt-view.ts';
import type { TurnLog } from './turn-log.ts';

/**
 * Adds the repository map before the turn's message, unless the prompt has one already. From then on the map is in the
 * log and never generated again, so that the prompt stays the same byte for byte.
 */
export async function showProject(
  log: TurnLog,
  projectMap: ((focus: ReadonlySet<string>) => string | null) | undefined,
): Promise<void> {
  const { turn } = log;
  // The provider has cached the beginning of a turn that has begun.
  if (!projectMap || !turn || turn.compact || turn.steps.length > 0) return;
  const { turns } = promptView(log.branch);
  if (turns.some(({ map }) => map !== undefined)) return;
  const focus = turns.flatMap(({ attachments }) =>
    attachments.flatMap((attachment) => ('path' in attachment ? [attachment.path] : [])),
  );
  const map = projectMap(new Set(focus));
  if (map === null) return;
  log.write({ type: 'project.mapped', turnId: log.turnId, text: mapText(map) });
  await log.flush();
}

function mapText(map: string): string {
  return `<repository_map>\nThe definitions that other files of this project use most, with line numbers, as of the start of the conversation. This is a selection to start from, not the whole project; symbol_search finds the rest.\n\n${map.replaceAll('</repository_map', '<\\/repository_map')}\n</repository_map>`;
}

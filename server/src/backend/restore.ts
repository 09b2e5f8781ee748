import type { EditorChange } from '@devlm/protocol/editor.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import type { FileChange } from '@devlm/protocol/tools.ts';
import type { Workspace } from '../actions/workspace.ts';

/**
 * Puts files back to what they were before the first of these turns, all or none.
 *
 * @param turns those whose changes are taken back, oldest first
 * @param getText reads a stored version of a file
 * @returns the paths that were changed
 * @throws ProblemError `files_changed` where a file is no longer what DevLM wrote, `not_found` where
 *   an old version is no longer stored, or one of the workspace's
 */
export async function restoreFiles(
  workspace: Workspace,
  turns: readonly TurnState[],
  getText: (hash: string) => Promise<string | null>,
  signal: AbortSignal,
): Promise<string[]> {
  const changes: EditorChange[] = [];
  for (const { path, before, after, encoding } of netChanges(turns)) {
    if (before === after) continue;
    const text = before === null ? null : await getText(before);
    if (before !== null && text === null) throw missing(path);
    changes.push({ path, base: after, text, encoding });
  }
  if (changes.length === 0) return [];
  const { conflicts } = await workspace.apply(changes, signal);
  if (conflicts.length > 0) throw filesChanged(conflicts.map(({ path }) => path));
  return changes.map(({ path }) => path);
}

/** What the turns did to each file, from the first version to the last. */
export function netChanges(turns: readonly TurnState[]): FileChange[] {
  const net = new Map<string, FileChange>();
  const steps = turns.flatMap((turn) => turn.steps);
  for (const change of steps
    .flatMap((step) => Object.values(step.results))
    .flatMap(({ details }) => details?.changes ?? [])) {
    const first = net.get(change.path);
    net.set(change.path, first ? { ...first, after: change.after } : change);
  }
  return [...net.values()];
}

function filesChanged(paths: readonly string[]): ProblemError {
  const detail = `Nothing was restored: ${paths.join(', ')} changed after DevLM wrote ${paths.length > 1 ? 'them' : 'it'}.`;
  return new ProblemError({ code: 'files_changed', status: 409, title: 'Files changed', detail });
}

function missing(path: string): ProblemError {
  const detail = `Nothing was restored: the old version of ${path} is no longer stored.`;
  return new ProblemError({ code: 'not_found', status: 404, title: 'Not found', detail });
}

import type { ReviewState, TurnState } from '@devlm/protocol/state.ts';
import { shownDiff } from '../actions/edits/hunks.ts';
import type { ToolContext } from '../actions/tool.ts';
import type { TurnLog } from './turn-log.ts';

/** Maximum length of one file's rejected changes in a note, in lines. */
const maxFileLines = 30;
/** Maximum length of a note, in UTF-16 code units. */
const maxNoteChars = 6_000;

/** Tells the model which of its changes the user rejected or restored since the last note. */
export async function noteReviews(
  log: TurnLog,
  { getText, secrets }: Pick<ToolContext, 'getText' | 'secrets'>,
): Promise<void> {
  const reviews = untold(log.branch);
  if (reviews.length === 0) return;
  const readText = async (hash: string) => secrets.hide((await getText(hash)) ?? '');
  const parts = await Promise.all(reviews.map((review) => wordsOf(review, readText)));
  const words = [
    'Since your last answer, the user reviewed files that you had changed:',
    ...parts,
    'Do not repeat rejected changes unless the user asks for them, and read these files before you change them.',
  ].join('\n');
  const text = `<review>\n${words.replaceAll('</review', '<\\/review').slice(0, maxNoteChars).toWellFormed()}\n</review>`;
  const paths = [...new Set(reviews.flatMap(({ changes }) => changes.map(({ path }) => path)))];
  log.write({ type: 'reviews.noted', turnId: log.turnId, text, reviewIds: reviews.map(({ id }) => id), paths });
  await log.flush();
}

/** Returns the decisions that changed files and that the model has not been told about, oldest first. */
function untold(branch: readonly TurnState[]): ReviewState[] {
  const notedIds = new Set(branch.flatMap((turn) => turn.told?.reviews ?? []));
  const all = branch.flatMap(({ reviews = [] }) => reviews);
  return all
    .filter(({ id, status, changes }) => status === 'done' && changes.length > 0 && !notedIds.has(id))
    .sort((a, b) => a.at.localeCompare(b.at));
}

async function wordsOf({ verdict, changes }: ReviewState, getText: (hash: string) => Promise<string>): Promise<string> {
  const names = changes.map(({ path }) => path).join(', ');
  if (verdict === 'restore') return `- They restored files to their state before one of your answers: ${names}`;
  if (verdict === 'undo') return `- They undid one of their decisions, which changed: ${names}`;
  const diffs = await Promise.all(
    changes.map(async ({ path, before, after }) => {
      const [was = '', is = ''] = await Promise.all(
        [before, after].map((hash) => (hash === null ? '' : getText(hash))),
      );
      return `${path}\n${shownDiff(was, is, maxFileLines)}`;
    }),
  );
  return `- They rejected some of your changes. The files changed as follows:\n${diffs.join('\n')}`;
}

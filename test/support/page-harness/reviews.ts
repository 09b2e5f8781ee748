import type { Event, EventBody } from '../../../protocol/src/events.ts';
import { applyEvent, emptyConversation } from '../../../protocol/src/reducer.ts';
import { type FileMark, ReviewedFile, ReviewVerdict } from '../../../protocol/src/review.ts';
import type { FileChange } from '../../../protocol/src/tools.ts';
import { turnFiles } from '../../../protocol/src/turn-files.ts';

/** The functions of the host that handle conversations. */
interface Log {
  stored(id: string): { readonly events: readonly Event[] } | undefined;
  append(id: string, events: readonly EventBody[]): void;
}

type Params = Record<string, string>;
interface Asked {
  params: Params;
  body: Record<string, unknown>;
}

/** Handlers for decisions about changes in the simulated server. As on the real server, decisions become events. */
export function reviewHandlers(host: Log) {
  const stateOf = (params: Params) => {
    const id = params['conversationId'] ?? '';
    return (host.stored(id)?.events ?? []).reduce(applyEvent, emptyConversation(id));
  };
  const turnOf = (params: Params) => stateOf(params).turns[params['turnId'] ?? ''];
  const filesOf = (params: Params) => {
    const turn = turnOf(params);
    return turn ? turnFiles(turn) : [];
  };
  const review = (
    params: Params,
    verdict: ReviewVerdict,
    changes: readonly FileChange[],
    files: FileMark[],
    head?: { from: string | null; to: string | null },
  ) => {
    const { conversationId = '', turnId = '' } = params;
    const reviewId = `review-${host.stored(conversationId)?.events.length}`;
    const before = filesOf(params).map(({ path, base, now, verdict: last }) => ({ path, base, now, verdict: last }));
    const [marks, previous] = [[{ turnId, files }], [{ turnId, files: before }]];
    const aside = verdict === 'restore' ? { aside: { turnId, reviewId } } : {};
    host.append(conversationId, [
      {
        type: 'review.started',
        turnId,
        review: { id: reviewId, verdict, changes: [...changes], marks, previous, head },
      },
      { type: 'review.marked', turnId, reviewId, files },
      { type: 'review.ended', turnId, reviewId, done: true },
      ...(head ? [{ type: 'head.moved' as const, turnId: head.to, ...aside }] : []),
    ]);
    return { reviewId, paths: changes.map(({ path }) => path) };
  };
  return {
    'files.preview': ({ params }: Asked) => ({
      changes: filesOf(params).filter(({ before, now }) => before !== now),
    }),
    'files.restore': ({ params, body }: Asked) => {
      const files = filesOf(params);
      const marks = files.map(({ path, before }) => ({ path, base: before, now: before, verdict: 'restore' as const }));
      const back = { from: stateOf(params).head, to: turnOf(params)?.parent ?? null };
      const changed = body['what'] === 'conversation' ? [] : files;
      return review(params, 'restore', changed, marks, body['what'] === 'files' ? undefined : back);
    },
    'changes.review': ({ params, body }: Asked) => {
      const verdict = ReviewVerdict.parse(body['verdict']);
      const asked = new Set(
        ReviewedFile.array()
          .parse(body['files'])
          .map(({ path }) => path),
      );
      const files = filesOf(params).filter(({ path }) => asked.has(path));
      const marks = files.map(({ path, base, now }) =>
        verdict === 'accept' ? { path, base: now, now, verdict } : { path, base, now: base, verdict },
      );
      return review(params, verdict, verdict === 'accept' ? [] : files, marks);
    },
    'changes.undo': ({ params }: Asked) => {
      const undone = turnOf(params)?.reviews?.find(({ id }) => id === params['reviewId']);
      const { changes = [], previous = [], head } = undone ?? {};
      const back = head && { from: head.to, to: head.from };
      const files = previous.flatMap((marks) => marks.files);
      return review(params, 'undo', changes, files, back);
    },
  };
}

import { randomUUID } from 'node:crypto';
import type { EditorChange } from '@devlm/protocol/editor.ts';
import type { EventBody } from '@devlm/protocol/events.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Review } from '@devlm/protocol/review.ts';
import type { RouteChecked } from '@devlm/protocol/routes.ts';
import type { ReviewState, TurnState } from '@devlm/protocol/state.ts';
import type { FileChange } from '@devlm/protocol/tools.ts';
import { turnFiles } from '@devlm/protocol/turn-files.ts';
import { placesOf } from '../actions/edits/take-back.ts';
import type { EventLog } from '../storage/event-log.ts';
import type { Store } from '../storage/ports/store.ts';
import type { Workspace } from '../workspace/workspace.ts';
import type { Workspaces } from '../workspace/workspaces.ts';
import { branchOf } from './lookup.ts';
import {
  type FileContents,
  fileHashOf,
  filesChanged,
  planRestore,
  planReview,
  planUndo,
  type ReviewPlan,
  reviewProblem,
} from './review-plan.ts';

/** Dependencies of `Reviews`. */
export interface ReviewsDeps {
  readonly store: Store;
  readonly log: EventLog;
  readonly workspaces: Workspaces;
}

/** Maximum time to wait for a window that is not connected, in milliseconds. */
const windowWaitMs = 5_000;

/** The conversation that a decision is made in. */
interface Target {
  readonly conversationId: string;
  readonly projectId: string | null;
  readonly head: string | null;
  /** The shown turns, oldest first. */
  readonly branch: readonly TurnState[];
}

/**
 * Decisions of users about files that DevLM changed. The log records a decision before files change and its outcome
 * afterwards. If the server dies in between, the files tell whether the decision was carried out.
 */
export class Reviews {
  readonly #deps: ReviewsDeps;
  /** Ids of the conversations in which a decision is being carried out. */
  readonly #busy = new Set<string>();

  constructor(deps: ReviewsDeps) {
    this.#deps = deps;
  }

  /**
   * Returns the hunks of a file that a turn changed.
   * @throws ProblemError `not_found`
   */
  async hunks({ params, body }: RouteChecked<'changes.hunks'>) {
    const turn = await this.#turn(params.conversationId, params.turnId);
    const file = turnFiles(turn).find(({ path }) => path === body.path);
    if (!file) throw reviewProblem('not_found', 404, `This answer did not change ${body.path}.`);
    const { base, now } = file;
    return { base, now, hunks: placesOf((await this.#text(base)) ?? '', (await this.#text(now)) ?? '') };
  }

  /**
   * Returns the changes that restoring the files to their state before a turn would make.
   * @throws ProblemError `not_found`, `conflict`, `too_many_files`
   */
  async preview({ params }: RouteChecked<'files.preview'>, signal: AbortSignal) {
    const { branch, projectId } = await this.#target(params.conversationId);
    const { changes } = await planRestore(this.#contents(projectId, signal), turnsFrom(branch, params.turnId));
    return { changes };
  }

  /**
   * Accepts or rejects changes of a turn.
   * @throws ProblemError `not_found`, `conflict`, `invalid_input`, `no_workspace`, `editor_gone`, and the errors of
   *   `planReview`
   */
  review({ params, body }: RouteChecked<'changes.review'>, signal: AbortSignal) {
    return this.#exclusively(params.conversationId, signal, async (target) => {
      const turn =
        target.branch.find(({ id }) => id === params.turnId) ??
        (await this.#turn(params.conversationId, params.turnId));
      const contents = this.#contents(target.projectId, signal);
      const paths = new Set(body.files.map(({ path }) => path));
      if (paths.size < body.files.length)
        throw reviewProblem('invalid_input', 400, 'The request contains a file twice.');
      const plan = await planReview(contents, { turn, branch: target.branch }, body.verdict, body.files);
      return { turnId: turn.id, plan };
    });
  }

  /**
   * Restores the files, the conversation, or both to their state before a turn.
   * @throws ProblemError `not_found`, `conflict`, `no_workspace`, `editor_gone`, `files_changed`, and the errors of
   *   `planRestore`
   */
  restore({ params, body }: RouteChecked<'files.restore'>, signal: AbortSignal) {
    return this.#exclusively(params.conversationId, signal, async ({ branch, head, projectId }) => {
      const turns = turnsFrom(branch, params.turnId);
      const plan: ReviewPlan =
        body.what === 'conversation'
          ? { verdict: 'restore', changes: [], marks: [], previous: [] }
          : await planRestore(this.#contents(projectId, signal), turns);
      const to = turns[0]?.parent ?? null;
      return {
        turnId: params.turnId,
        plan: body.what === 'files' ? plan : { ...plan, head: { from: head, to } },
      };
    });
  }

  /**
   * Undoes a decision.
   * @throws ProblemError `not_found`, `conflict`, `no_workspace`, `editor_gone`, `files_changed`, `review_stale`
   */
  undo({ params }: RouteChecked<'changes.undo'>, signal: AbortSignal) {
    return this.#exclusively(params.conversationId, signal, async (target) => {
      const turn = await this.#turn(params.conversationId, params.turnId);
      const review = turn.reviews?.find(({ id }) => id === params.reviewId);
      if (!review) throw reviewProblem('not_found', 404, 'The decision does not exist.');
      if (review.head && review.head.to !== target.head)
        throw reviewProblem(
          'review_stale',
          409,
          'The conversation has continued since. To go back, switch to an earlier version of the message.',
        );
      const ids = [...new Set([turn.id, ...review.marks.map(({ turnId }) => turnId)])];
      const turns = await Promise.all(ids.map((id) => (id === turn.id ? turn : this.#turn(params.conversationId, id))));
      return { turnId: turn.id, plan: await planUndo(this.#contents(target.projectId, signal), review, turns) };
    });
  }

  /** Settles decisions that a dead server left open. Does not fail if that is not possible yet: it is tried again. */
  async settle(conversationId: string): Promise<void> {
    if (this.#busy.has(conversationId)) return;
    this.#busy.add(conversationId);
    try {
      await this.#settle(await this.#target(conversationId));
    } catch (error) {
      const timedOut = error instanceof DOMException && error.name === 'TimeoutError';
      if (!timedOut && !(error instanceof ProblemError)) throw error;
    } finally {
      this.#busy.delete(conversationId);
    }
  }

  /** Carries out one decision at a time in a conversation, and none while an answer is being written. */
  async #exclusively(
    conversationId: string,
    signal: AbortSignal,
    makePlan: (target: Target) => Promise<{ turnId: string; plan: ReviewPlan }>,
  ): Promise<{ reviewId: string | null; paths: string[] }> {
    if (this.#busy.has(conversationId))
      throw reviewProblem('conflict', 409, 'Another decision is still being applied. Try again in a moment.');
    this.#busy.add(conversationId);
    try {
      let target = await this.#target(conversationId);
      if (await this.#settle(target)) target = await this.#target(conversationId);
      const { turnId, plan } = await makePlan(target);
      signal.throwIfAborted();
      const review: Review = { id: randomUUID(), ...plan };
      if (plan.marks.length === 0 && !plan.head) return { reviewId: null, paths: [] };
      await this.#carryOut(target, turnId, review);
      return { reviewId: review.id, paths: plan.changes.map(({ path }) => path) };
    } finally {
      this.#busy.delete(conversationId);
    }
  }

  async #carryOut(target: Target, turnId: string, review: Review): Promise<void> {
    const { log } = this.#deps;
    const { conversationId } = target;
    const started: EventBody = { type: 'review.started', turnId, review };
    if (review.changes.length === 0) {
      await log.append(conversationId, [started, ...outcomeEvents(turnId, review, true)]);
      return;
    }
    const workspace = await this.#workspace(target.projectId);
    const changes = await this.#toEditorChanges(review.changes);
    await log.append(conversationId, [started]);
    // From here on the changes are completed even if the client is no longer waiting for the response.
    const notCancelled = new AbortController().signal;
    try {
      const { conflicts } = await workspace.apply(changes, notCancelled);
      if (conflicts.length > 0) {
        const expected = await Promise.all(
          conflicts.map(async ({ path, file }) => {
            const before = review.changes.find((change) => change.path === path)?.before ?? null;
            return { path, file, expected: await this.#text(before) };
          }),
        );
        throw filesChanged(expected);
      }
    } catch (error) {
      const done = await this.#isApplied(workspace, review).catch(() => null);
      if (done !== null) await log.append(conversationId, outcomeEvents(turnId, review, done));
      if (!done) throw error;
      return;
    }
    await log.append(conversationId, outcomeEvents(turnId, review, true));
  }

  /** Settles open decisions. Returns whether there were any. */
  async #settle({ conversationId, projectId, branch }: Target): Promise<boolean> {
    const open = branch.flatMap(({ id, reviews = [] }) =>
      reviews.filter(({ status }) => status === 'open').map((review) => ({ turnId: id, review })),
    );
    if (open.length === 0) return false;
    const workspace = await this.#workspace(projectId);
    for (const { turnId, review } of open) {
      await this.#applyRest(workspace, review);
      const done = await this.#isApplied(workspace, review);
      await this.#deps.log.append(conversationId, outcomeEvents(turnId, review, done));
    }
    return true;
  }

  /** Changes the remaining files of a decision if the server died after it had changed some of them. */
  async #applyRest(workspace: Workspace, { changes }: Review): Promise<void> {
    const signal = AbortSignal.timeout(windowWaitMs);
    const rest: FileChange[] = [];
    for (const change of changes) {
      const now = fileHashOf(await workspace.read(change.path, signal));
      if (now === change.after) continue;
      // The user or another program changed the file, so the decision is left as it is.
      if (now !== change.before) return;
      rest.push(change);
    }
    if (rest.length === 0 || rest.length === changes.length) return;
    await workspace.apply(await this.#toEditorChanges(rest), new AbortController().signal);
  }

  /** Converts changes to the form that a workspace applies. */
  #toEditorChanges(changes: readonly FileChange[]): Promise<EditorChange[]> {
    return Promise.all(
      changes.map(async ({ path, before, after, encoding }) => ({
        ...{ path, base: before, encoding },
        text: await this.#text(after),
      })),
    );
  }

  /** Returns whether all files have the content that the decision gives them. */
  async #isApplied(workspace: Workspace, { changes }: Review): Promise<boolean> {
    const signal = AbortSignal.timeout(windowWaitMs);
    for (const { path, after } of changes) {
      if (fileHashOf(await workspace.read(path, signal)) !== after) return false;
    }
    return true;
  }

  async #workspace(projectId: string | null): Promise<Workspace> {
    if (projectId === null) throw reviewProblem('no_workspace', 409, 'This conversation has no project.');
    try {
      return await this.#deps.workspaces.workspace(projectId, AbortSignal.timeout(windowWaitMs));
    } catch (error) {
      if (error instanceof ProblemError) throw error;
      throw reviewProblem(
        'editor_gone',
        503,
        'No editor window with this project is open. Open the project and try again.',
      );
    }
  }

  async #target(conversationId: string): Promise<Target> {
    const row = await this.#deps.store.conversations.get(conversationId);
    if (!row || row.deletedAt) throw reviewProblem('not_found', 404, 'The conversation does not exist or was deleted.');
    if (row.busy) throw reviewProblem('conflict', 409, 'DevLM is still working in this conversation. Stop it first.');
    const { head, projectId } = row;
    return { conversationId, projectId, head, branch: await branchOf(this.#deps.store, conversationId, head) };
  }

  /**
   * Returns a turn by its id.
   * @throws ProblemError `not_found`
   */
  async #turn(conversationId: string, turnId: string): Promise<TurnState> {
    const turn = (await branchOf(this.#deps.store, conversationId, turnId, 1)).at(-1);
    if (!turn) throw reviewProblem('not_found', 404, 'The message does not exist.');
    return turn;
  }

  #contents(projectId: string | null, signal: AbortSignal): FileContents {
    return {
      text: (hash) => this.#text(hash),
      put: (text) => this.#deps.store.blobs.put({ mediaType: 'text/plain', data: Buffer.from(text) }),
      read: async (path) => (await this.#workspace(projectId)).read(path, signal),
    };
  }

  async #text(hash: string | null): Promise<string | null> {
    if (hash === null) return null;
    const blob = await this.#deps.store.blobs.get(hash);
    if (!blob)
      throw reviewProblem('not_found', 404, 'An old version of a file is no longer stored. No files were changed.');
    return Buffer.from(blob.data).toString();
  }
}

/** Returns the events that record the outcome of a decision. */
function outcomeEvents(turnId: string, review: Review | ReviewState, done: boolean): EventBody[] {
  const reviewId = review.id;
  const ended: EventBody = { type: 'review.ended', turnId, reviewId, done };
  if (!done) return [ended];
  const marked = review.marks.map((marks): EventBody => ({ type: 'review.marked', reviewId, ...marks }));
  const { head } = review;
  if (!head) return [...marked, ended];
  const aside = review.verdict === 'restore' ? { aside: { turnId, reviewId } } : {};
  return [...marked, { type: 'head.moved', turnId: head.to, ...aside }, ended];
}

/**
 * Returns the turn and all later turns of the branch.
 * @throws ProblemError `not_found` if the turn is not part of the branch
 */
function turnsFrom(branch: readonly TurnState[], turnId: string): readonly TurnState[] {
  const at = branch.findIndex(({ id }) => id === turnId);
  if (at < 0) throw reviewProblem('not_found', 404, 'The message is not part of the shown branch of the conversation.');
  return branch.slice(at);
}

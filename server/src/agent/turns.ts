import { setTimeout as sleep } from 'node:timers/promises';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ConversationSummary } from '@devlm/protocol/views.ts';
import type { Fanout } from '../storage/ports/fanout.ts';
import { storeSurely } from './failures.ts';
import { Closing, Stopped } from './interruptions.ts';
import type { Entry, Lane, Running } from './lane.ts';
import { Leases } from './leases.ts';
import { TurnRunner, type TurnRunnerDeps } from './turn-runner.ts';

/** What turns are taken up and run with. */
export interface TurnsDeps extends TurnRunnerDeps {
  /** The id of this node: the same after it has started again. */
  readonly node: string;
  /** Whether this node has the workspace of a project. */
  readonly hasWindow: (projectId: string) => boolean;
  /** Says when it is worth to look for turns that came to other nodes. */
  readonly fanout: Fanout;
}

/** Turns under way at once on one server; the others wait their turn. */
const maxRunning = 16;
/** Turns waiting on one server, over all conversations. */
const maxWaiting = 500;
/** How often a node looks for turns that nobody runs, where there may be others, milliseconds. */
const lookMs = 1_000;
/** Such turns that it takes on at once. */
const looksAt = 500;
/** How long a turn is left to the node that was sent it, or has a window of its project, milliseconds. */
const leftMs = 2_000;
/** How long it is waited for another node to stop a turn, milliseconds. */
const stopWaitMs = 5_000;

/**
 * Runs turns: one at a time in a conversation, in the order of their creation, many conversations at once. All turns of
 * a conversation run on the node that has its lease; when that is gone, another finds them in the store.
 */
export class Turns implements AsyncDisposable {
  readonly #deps: TurnsDeps;
  readonly #lanes = new Map<string, Lane>();
  readonly #leases: Leases;
  readonly #runner: TurnRunner;
  #looking: NodeJS.Timeout | undefined;
  #isLooking = false;
  #closing = false;

  constructor(deps: TurnsDeps) {
    this.#deps = deps;
    this.#leases = new Leases(deps.store, deps.node, deps.logger);
    this.#runner = new TurnRunner(deps, this.#leases, () => this.#closing);
  }

  /** Turns running or waiting. */
  get busy(): number {
    let count = 0;
    for (const lane of this.#lanes.values()) count += lane.queue.length + (lane.running ? 1 : 0);
    return count;
  }

  /** @throws ProblemError `queue_full` */
  async assertRoom({ id, busy }: ConversationSummary): Promise<void> {
    const waiting = this.#lanes.get(id)?.queue.length ?? 0;
    // Those of other nodes too, and the one that runs.
    const open = busy ? (await this.#deps.store.turns.open(id)).length : 0;
    if (waiting < limits.queuedTurns && open <= limits.queuedTurns && this.busy < maxWaiting) return;
    throw new ProblemError(
      {
        code: 'queue_full',
        status: 429,
        title: 'Too many messages are waiting',
        detail: `At most ${limits.queuedTurns} messages can wait in a conversation. Wait for an answer, or stop one.`,
      },
      { retryAfterMs: 2_000 },
    );
  }

  /** Takes on a turn that has just been created, unless a node may have the window of its project that this one has not. */
  enqueue(conversationId: string, turnId: string, projectId: string | null): void {
    const here = this.#looking === undefined || projectId === null || this.#deps.hasWindow(projectId);
    if (here) this.#add(conversationId, { turnId, resumed: false });
  }

  #add(conversationId: string, entry: Entry): void {
    const lane = this.#lanes.get(conversationId) ?? { conversationId, queue: [], held: undefined, running: undefined };
    if (lane.running?.turnId === entry.turnId || lane.queue.some(({ turnId }) => turnId === entry.turnId)) return;
    this.#lanes.set(conversationId, lane);
    lane.queue.push(entry);
    this.#next(lane);
  }

  /** Takes up every turn that an earlier server left, and from then on those that other nodes leave. */
  async resumeAll(): Promise<void> {
    for (const { conversationId, turnId } of await this.#leases.freeTurns(Number.MAX_SAFE_INTEGER))
      this.#add(conversationId, { turnId, resumed: true });
    // A file has one server.
    if (this.#deps.store.kind === 'sqlite') return;
    this.#looking = setInterval(() => void this.#look(), lookMs).unref();
    this.#deps.fanout.onMessage(({ kind }) => {
      if (kind === 'listed' && !this.#closing) void this.#look();
    });
  }

  /** Takes on turns that no node runs, and those that came to another node while this one has their conversation. */
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      for (const { conversationId, turnId, status, ...free } of await this.#leases.freeTurns(looksAt)) {
        const due =
          free.held || free.waitedMs >= leftMs || (free.projectId !== null && this.#deps.hasWindow(free.projectId));
        if (due && this.busy < maxWaiting) this.#add(conversationId, { turnId, resumed: status === 'running' });
      }
    } catch (error) {
      this.#deps.logger.warn({ err: error }, 'open turns could not be looked for');
    } finally {
      this.#isLooking = false;
    }
  }

  /** Stops a running turn or takes a waiting one out; resolves when its end is in the log. */
  async stop(conversationId: string, turnId: string): Promise<void> {
    const lane = this.#lanes.get(conversationId);
    if (lane?.running?.turnId === turnId) {
      lane.running.controller.abort(new Stopped());
      await lane.running.done;
      return;
    }
    const waiting = lane?.queue.findIndex((entry) => entry.turnId === turnId) ?? -1;
    if (waiting >= 0) lane?.queue.splice(waiting, 1);
    const row = await this.#deps.store.turns.get(conversationId, turnId);
    if (!row || row.status === 'ended') return;
    // Its node ends it, for that has to say what it cost.
    if (row.status === 'running' && (await this.#leases.elsewhere(conversationId)))
      await this.#stopElsewhere(conversationId, turnId);
    else await this.#runner.end(conversationId, turnId, 'stopped');
  }

  /** Whoever runs the turn, or will take it up, finds in the log that it is to stop. */
  async #stopElsewhere(conversationId: string, turnId: string): Promise<void> {
    const { store, log } = this.#deps;
    try {
      await log.append(conversationId, [{ type: 'turn.stopping', turnId }]);
    } catch (error) {
      // It has just ended.
      if (error instanceof ProblemError && error.problem.code === 'conflict') return;
      throw error;
    }
    for (const deadline = performance.now() + stopWaitMs; performance.now() < deadline; ) {
      if ((await store.turns.get(conversationId, turnId))?.status !== 'running') return;
      await sleep(100);
    }
  }

  /** Stops everything in a conversation. */
  async stopAll(conversationId: string): Promise<void> {
    // The last first, or the next would start as the running one stops.
    for (const { turnId } of (await this.#deps.store.turns.open(conversationId)).reverse())
      await this.stop(conversationId, turnId);
  }

  /** Ends the work without ending the turns: the next server goes on with them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    clearInterval(this.#looking);
    const running = [...this.#lanes.values()].flatMap((lane) => (lane.running ? [lane.running] : []));
    for (const { controller } of running) controller.abort(new Closing());
    await Promise.race([Promise.all(running.map(({ done }) => done)), sleep(2_000, undefined, { ref: false })]);
    // Another node need not wait until they lapse.
    await this.#leases[Symbol.asyncDispose]();
  }

  #next(lane: Lane): void {
    if (this.#closing || lane.running) return;
    if (lane.queue.length === 0) {
      if (this.#lanes.get(lane.conversationId) === lane) this.#lanes.delete(lane.conversationId);
      if (lane.held) void this.#leases.release(lane.held);
      lane.held = undefined;
      return;
    }
    let running = 0;
    for (const other of this.#lanes.values()) if (other.running) running++;
    if (running >= maxRunning) return;
    const now: Running = { turnId: undefined, controller: new AbortController(), done: Promise.resolve() };
    lane.running = now;
    now.done = this.#runFirst(lane, now).finally(() => {
      lane.running = undefined;
      this.#next(lane);
      for (const other of this.#lanes.values()) if (!other.running) this.#next(other);
    });
  }

  /** Never rejects. */
  async #runFirst(lane: Lane, now: Running): Promise<void> {
    if (lane.held?.lost.aborted) lane.held = undefined;
    if (!lane.held && !(await this.#take(lane))) {
      // Another node finds in the log what waits.
      lane.queue.length = 0;
      return;
    }
    const entry = lane.queue.shift();
    if (!entry || !lane.held) return;
    now.turnId = entry.turnId;
    await this.#runner.run(lane.conversationId, entry, lane.held, now.controller);
    if (lane.held.lost.aborted) {
      lane.held = undefined;
      lane.queue.length = 0;
    } else if (!this.#closing) await this.#take(lane, entry.turnId);
  }

  /**
   * Takes the conversation, unless it has it, and its turns in the order of the log: other nodes may have left some.
   * @param done has just run: where its end could not be stored, it is not begun again at once
   */
  async #take(lane: Lane, done?: string): Promise<boolean> {
    const { conversationId, queue } = lane;
    try {
      const take = async () => {
        lane.held ??= (await this.#leases.take(conversationId)) ?? undefined;
        if (!lane.held) return;
        const rows = await this.#deps.store.turns.open(conversationId);
        const open = rows.filter(({ turnId }) => turnId !== done);
        const known = new Map(queue.map((entry) => [entry.turnId, entry]));
        const entries = open.map(({ turnId, status, attempts }) => ({
          turnId,
          resumed: known.get(turnId)?.resumed ?? status === 'running',
          attempts,
        }));
        const others = queue.filter(({ turnId }) => !open.some((row) => row.turnId === turnId));
        queue.splice(0, queue.length, ...entries, ...others);
      };
      await storeSurely(take, () => this.#closing);
    } catch (error) {
      this.#deps.logger.error({ err: error, conversationId }, 'a conversation could not be taken up');
    }
    return lane.held !== undefined;
  }
}

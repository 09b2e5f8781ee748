import { setTimeout as sleep } from 'node:timers/promises';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ConversationSummary } from '@devlm/protocol/views.ts';
import type { Fanout } from '../storage/ports/fanout.ts';
import type { ConversationTurns, QueuedTurn, RunningTurn } from './conversation-turns.ts';
import { storeSurely } from './failures.ts';
import { Closing, Stopped } from './interruptions.ts';
import { Leases } from './leases.ts';
import { TurnRunner, type TurnRunnerDeps } from './turn-runner.ts';

/** Dependencies of `TurnScheduler`. */
export interface TurnSchedulerDeps extends TurnRunnerDeps {
  /** Id of this node. It stays the same across restarts. */
  readonly node: string;
  /** Returns whether an editor window of the project is attached to this node. */
  readonly hasWindow: (projectId: string) => boolean;
  /** Channel over which other nodes announce changes, so that this node looks for open turns earlier. */
  readonly fanout: Fanout;
}

/** Maximum number of turns that run at once on one server. */
const maxRunning = 16;
/** Maximum number of turns that wait on one server, in all conversations together. */
const maxWaiting = 500;
/** Interval at which a node that shares its store looks for turns that no node runs, in milliseconds. */
const pollIntervalMs = 1_000;
/** Maximum number of open turns that are read at one such poll. */
const maxPolledTurns = 500;
/** Time for which a turn is left to the node that received it or that has a window of its project, in milliseconds. */
const graceMs = 2_000;
/** Maximum time to wait for another node to stop a turn, in milliseconds. */
const maxStopWaitMs = 5_000;

/**
 * Runs turns: one at a time in each conversation, in the order of creation, and many conversations at once. All turns
 * of a conversation run on the node that holds its lease. When that node is gone, another node finds the turns in the
 * store.
 */
export class TurnScheduler implements AsyncDisposable {
  readonly #deps: TurnSchedulerDeps;
  readonly #conversations = new Map<string, ConversationTurns>();
  readonly #leases: Leases;
  readonly #runner: TurnRunner;
  #pollTimer: NodeJS.Timeout | undefined;
  #isPolling = false;
  #closing = false;

  constructor(deps: TurnSchedulerDeps) {
    this.#deps = deps;
    this.#leases = new Leases(deps.store, deps.node, deps.logger);
    this.#runner = new TurnRunner(deps, this.#leases, () => this.#closing);
  }

  /** Number of turns that run or wait on this node. */
  get busy(): number {
    let count = 0;
    for (const turns of this.#conversations.values()) count += turns.queue.length + (turns.running ? 1 : 0);
    return count;
  }

  /**
   * Checks that the conversation and this server can take another turn.
   *
   * @throws ProblemError `queue_full`
   */
  async assertRoom({ id, busy }: ConversationSummary): Promise<void> {
    const waiting = this.#conversations.get(id)?.queue.length ?? 0;
    // Includes the turns of other nodes, and the running one.
    const open = busy ? (await this.#deps.store.turns.open(id)).length : 0;
    if (waiting < limits.queuedTurns && open <= limits.queuedTurns && this.busy < maxWaiting) return;
    throw new ProblemError(
      {
        code: 'queue_full',
        status: 429,
        title: 'Too many messages are waiting',
        detail: `At most ${limits.queuedTurns} messages can wait in a conversation. Wait for an answer, or remove a waiting message.`,
      },
      { retryAfterMs: 2_000 },
    );
  }

  /**
   * Queues a turn that has just been created. Leaves it to another node if this one has no window of its project but
   * another node may have one.
   */
  enqueue(conversationId: string, turnId: string, projectId: string | null): void {
    const runsHere = this.#pollTimer === undefined || projectId === null || this.#deps.hasWindow(projectId);
    if (runsHere) this.#add(conversationId, { turnId, resumed: false });
  }

  #add(conversationId: string, entry: QueuedTurn): void {
    const turns = this.#conversations.get(conversationId) ?? {
      conversationId,
      queue: [],
      held: undefined,
      running: undefined,
    };
    if (turns.running?.turnId === entry.turnId || turns.queue.some(({ turnId }) => turnId === entry.turnId)) return;
    this.#conversations.set(conversationId, turns);
    turns.queue.push(entry);
    this.#next(turns);
  }

  /** Resumes every turn that an earlier server left open, and from then on also those that other nodes leave open. */
  async resumeAll(): Promise<void> {
    for (const { conversationId, turnId } of await this.#leases.freeTurns(Number.MAX_SAFE_INTEGER))
      this.#add(conversationId, { turnId, resumed: true });
    // An SQLite file has only one server.
    if (this.#deps.store.kind === 'sqlite') return;
    this.#pollTimer = setInterval(() => void this.#poll(), pollIntervalMs).unref();
    this.#deps.fanout.onMessage(({ kind }) => {
      if (kind === 'listed' && !this.#closing) void this.#poll();
    });
  }

  /**
   * Queues turns that no node runs, and turns that another node received although this one holds their conversation's
   * lease.
   */
  async #poll(): Promise<void> {
    if (this.#isPolling) return;
    this.#isPolling = true;
    try {
      for (const { conversationId, turnId, status, ...free } of await this.#leases.freeTurns(maxPolledTurns)) {
        const due =
          free.held || free.waitedMs >= graceMs || (free.projectId !== null && this.#deps.hasWindow(free.projectId));
        if (due && this.busy < maxWaiting) this.#add(conversationId, { turnId, resumed: status === 'running' });
      }
    } catch (error) {
      this.#deps.logger.warn({ err: error }, 'cannot look for open turns');
    } finally {
      this.#isPolling = false;
    }
  }

  /** Stops a running turn or removes a waiting one from the queue. Resolves when its end is in the log. */
  async stop(conversationId: string, turnId: string): Promise<void> {
    const turns = this.#conversations.get(conversationId);
    if (turns?.running?.turnId === turnId) {
      turns.running.controller.abort(new Stopped());
      await turns.running.done;
      return;
    }
    const waiting = turns?.queue.findIndex((entry) => entry.turnId === turnId) ?? -1;
    if (waiting >= 0) turns?.queue.splice(waiting, 1);
    const row = await this.#deps.store.turns.get(conversationId, turnId);
    if (!row || row.status === 'ended') return;
    // The node that runs the turn has to end it, because only that node knows what the turn has cost.
    if (row.status === 'running' && (await this.#leases.elsewhere(conversationId)))
      await this.#stopElsewhere(conversationId, turnId);
    else await this.#runner.end(conversationId, turnId, 'stopped');
  }

  /**
   * Requests the stop in the log, where the node that runs or resumes the turn finds it. Waits up to `maxStopWaitMs`.
   */
  async #stopElsewhere(conversationId: string, turnId: string): Promise<void> {
    const { store, log } = this.#deps;
    try {
      await log.append(conversationId, [{ type: 'turn.stopping', turnId }]);
    } catch (error) {
      // The turn has just ended.
      if (error instanceof ProblemError && error.problem.code === 'conflict') return;
      throw error;
    }
    for (const deadline = performance.now() + maxStopWaitMs; performance.now() < deadline; ) {
      if ((await store.turns.get(conversationId, turnId))?.status !== 'running') return;
      await sleep(100);
    }
  }

  /** Stops all open turns of a conversation. */
  async stopAll(conversationId: string): Promise<void> {
    // In reverse order, because the next turn would start as soon as the running one stops.
    for (const { turnId } of (await this.#deps.store.turns.open(conversationId)).reverse())
      await this.stop(conversationId, turnId);
  }

  /** Interrupts the running turns without ending them: the next server resumes them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    clearInterval(this.#pollTimer);
    const running = [...this.#conversations.values()].flatMap((turns) => (turns.running ? [turns.running] : []));
    for (const { controller } of running) controller.abort(new Closing());
    await Promise.race([Promise.all(running.map(({ done }) => done)), sleep(2_000, undefined, { ref: false })]);
    // Release the leases, so that another node need not wait until they expire.
    await this.#leases[Symbol.asyncDispose]();
  }

  /** Starts the next turn of the queue if none runs and the server has room; drops an empty queue and its lease. */
  #next(turns: ConversationTurns): void {
    if (this.#closing || turns.running) return;
    if (turns.queue.length === 0) {
      if (this.#conversations.get(turns.conversationId) === turns) this.#conversations.delete(turns.conversationId);
      if (turns.held) void this.#leases.release(turns.held);
      turns.held = undefined;
      return;
    }
    let running = 0;
    for (const other of this.#conversations.values()) if (other.running) running++;
    if (running >= maxRunning) return;
    const current: RunningTurn = { turnId: undefined, controller: new AbortController(), done: Promise.resolve() };
    turns.running = current;
    current.done = this.#runFirst(turns, current).finally(() => {
      turns.running = undefined;
      this.#next(turns);
      for (const other of this.#conversations.values()) if (!other.running) this.#next(other);
    });
  }

  /** Takes the lease and runs the first turn of the queue. Never rejects. */
  async #runFirst(turns: ConversationTurns, current: RunningTurn): Promise<void> {
    if (turns.held?.lost.aborted) turns.held = undefined;
    if (!turns.held && !(await this.#take(turns))) {
      // The node that holds the lease finds the waiting turns in the log.
      turns.queue.length = 0;
      return;
    }
    const entry = turns.queue.shift();
    if (!entry || !turns.held) return;
    current.turnId = entry.turnId;
    await this.#runner.run(turns.conversationId, entry, turns.held, current.controller);
    if (turns.held.lost.aborted) {
      turns.held = undefined;
      turns.queue.length = 0;
    } else if (!this.#closing) await this.#take(turns, entry.turnId);
  }

  /**
   * Takes the lease of the conversation if this node does not hold it, and reads the open turns in the order of the
   * log, because other nodes may have added some.
   *
   * @param endedTurnId the turn that has just run; it is not restarted at once if its end could not be stored
   * @returns whether this node holds the lease
   */
  async #take(turns: ConversationTurns, endedTurnId?: string): Promise<boolean> {
    const { conversationId, queue } = turns;
    try {
      const take = async () => {
        turns.held ??= (await this.#leases.take(conversationId)) ?? undefined;
        if (!turns.held) return;
        const rows = await this.#deps.store.turns.open(conversationId);
        const open = rows.filter(({ turnId }) => turnId !== endedTurnId);
        const known = new Map(queue.map((entry) => [entry.turnId, entry]));
        const entries = open.map(({ turnId, status, attempts }) => ({
          turnId,
          resumed: known.get(turnId)?.resumed ?? status === 'running',
          attempts,
        }));
        const unlisted = queue.filter(({ turnId }) => !open.some((row) => row.turnId === turnId));
        queue.splice(0, queue.length, ...entries, ...unlisted);
      };
      await storeSurely(take, () => this.#closing);
    } catch (error) {
      this.#deps.logger.error({ err: error, conversationId }, 'cannot take over a conversation');
    }
    return turns.held !== undefined;
  }
}

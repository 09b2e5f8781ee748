import { setTimeout as sleep } from 'node:timers/promises';
import type { EventBody, TurnOutcome } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { type Problem, ProblemError } from '@devlm/protocol/problem.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import type { ConversationSummary } from '@devlm/protocol/views.ts';
import type { Logger } from 'pino';
import type { Budgets } from '../llm/budgets.ts';
import { PromptCacheWatch } from '../llm/prompt-cache.ts';
import type { Provider } from '../llm/provider.ts';
import type { EventLog } from '../storage/event-log.ts';
import type { StoredConversation } from '../storage/ports/conversations.ts';
import type { Fanout } from '../storage/ports/fanout.ts';
import type { Lease } from '../storage/ports/leases.ts';
import type { Store } from '../storage/ports/store.ts';
import { compactAll } from './compaction.ts';
import { isLeaseLost, storeSurely, turnProblem } from './failures.ts';
import { hidingModel } from './hiding-model.ts';
import { Closing, Stopped, serverRestarted } from './interruptions.ts';
import type { Entry, Lane, Running } from './lane.ts';
import { type HeldLease, Leases } from './leases.ts';
import { endOf, type LoopDeps, runLoop } from './loop.ts';
import { waitsForPerson } from './pause.ts';
import { showProject } from './project-map.ts';
import { Sentinel } from './sentinel.ts';
import { SpendGate } from './spend-gate.ts';
import { TurnLog } from './turn-log.ts';

export interface TurnsDeps {
  readonly store: Store;
  readonly log: EventLog;
  readonly provider: Provider;
  readonly budgets: Budgets;
  /** What the model may use in a conversation, and what it is told. Asked when a turn begins. */
  readonly toolsFor: (
    conversation: StoredConversation,
    task: Task | undefined,
    signal: AbortSignal,
  ) => Promise<Pick<LoopDeps, 'tools' | 'services' | 'system' | 'rulesChars' | 'fileRules' | 'projectMap'>>;
  readonly logger: Logger;
  /** The id of this node: the same after it has started again. */
  readonly node: string;
  /** Whether this node has the workspace of a project. */
  readonly hasWindow: (projectId: string) => boolean;
  /** Says when it is worth to look for turns that came to other nodes. */
  readonly fanout: Fanout;
  readonly retryBaseMs: number;
  /** Share of a model's window, 0 to 1, beyond which a conversation is compacted. */
  readonly compactAt: number;
  /** Whether the person is asked about a turn that looks as if it had gone wrong. */
  readonly sentinel: boolean;
}

/** Turns under way at once on one server; the others wait their turn. */
const maxRunning = 16;
/** Turns waiting on one server, over all conversations. */
const maxWaiting = 500;
/** A turn that killed the server this often is not tried again. */
const maxTurnAttempts = 3;
/**
 * After a restart the editor hands over key and base URL again. Until then, or until this has
 * passed, nothing is sent: it could go to another account and place than before.
 */
const keyWaitMs = 30_000;
/** A turn is compared with so many others of the person's. */
const usualTurns = 50;
/** That began no longer ago. */
const usualMs = 30 * 86_400_000;
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
  readonly #promptCache = new PromptCacheWatch();
  readonly #leases: Leases;
  #looking: NodeJS.Timeout | undefined;
  #isLooking = false;
  #closing = false;

  constructor(deps: TurnsDeps) {
    this.#deps = deps;
    this.#leases = new Leases(deps.store, deps.node, deps.logger);
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
    else await this.#end(conversationId, turnId, 'stopped');
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
    await this.#run(lane.conversationId, entry, lane.held, now.controller);
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

  async #run(conversationId: string, entry: Entry, held: HeldLease, controller: AbortController): Promise<void> {
    const { store, log, provider, logger } = this.#deps;
    const { turnId, resumed } = entry;
    const signal = AbortSignal.any([controller.signal, held.lost]);
    const over = new AbortController();
    let turnLog: TurnLog | undefined;
    try {
      const conversation = await store.conversations.get(conversationId);
      if (!conversation) return;
      const attempts = entry.attempts ?? (await store.turns.get(conversationId, turnId))?.attempts ?? 0;
      turnLog = await TurnLog.open(store, log, conversationId, turnId, held.lease);
      // Stopped, or another node was quicker.
      if (turnLog.turn?.endedAt !== undefined) return;
      turnLog
        .until(({ stopping }) => stopping, over.signal)
        .then(
          () => controller.abort(new Stopped()),
          () => undefined,
        );
      if (resumed) {
        await this.#abandonUnfinished(turnLog);
        const ended = endOf(turnLog.turn);
        if (ended) return await this.#end(conversationId, turnId, ended, held);
      }
      // Who waited for a person did not bring the server down.
      if (attempts >= maxTurnAttempts && !waitsForPerson(turnLog.turn))
        throw new ProblemError({
          ...serverRestarted,
          detail: 'The companion server ended several times over this answer.',
          action: 'retry',
        });
      turnLog.write({ type: 'turn.started', turnId, attempt: attempts + 1 });
      // Where there may be other nodes, who cannot write calls no model; and what may have brought a server down is
      // counted before it is tried again. Else this is stored while the first call is on its way.
      if (resumed || store.kind !== 'sqlite') await turnLog.flush();
      if (resumed) await provider.whenHandedOver(keyWaitMs, signal);
      signal.throwIfAborted();
      const { turn } = turnLog;
      const modelId = turn?.model ?? (await provider.defaultModel(signal));
      const model = provider.model({ conversationId });
      const toolbox = await this.#deps.toolsFor(conversation, turn?.task, signal);
      const gate = this.#gate(conversation, turnLog, modelId);
      const deps: LoopDeps = {
        model: hidingModel(model, toolbox.services.secrets),
        modelId,
        thinking: turn?.thinking ?? false,
        ...toolbox,
        log: turnLog,
        readBlob: async (hash) => (await store.blobs.get(hash))?.data ?? null,
        costOf: (model, usage) => provider.costOf(model, usage),
        countedCost: (model, usage) => provider.countedCost(model, usage),
        admit: (promptTokens, during) => gate.admit(promptTokens, during),
        contextTokens: (during) => provider.contextTokens(modelId, during),
        compactAt: this.#deps.compactAt,
        watchCache: (path, request) => this.#promptCache.begin(conversationId, path, request),
        retryBaseMs: this.#deps.retryBaseMs,
      };
      await showProject(turnLog, deps.projectMap);
      await (turn?.compact ? compactAll(deps, signal) : runLoop(deps, signal));
      await turnLog.flush();
      await this.#end(conversationId, turnId, 'completed', held);
    } catch (error) {
      await turnLog?.flush().catch(() => undefined);
      if (isLeaseLost(error)) this.#leases.lose(held);
      if (signal.reason instanceof Closing || held.lost.aborted) return;
      const { lease } = held;
      if (signal.reason instanceof Stopped) await this.#end(conversationId, turnId, 'stopped', { lease });
      else await this.#end(conversationId, turnId, 'failed', { problem: turnProblem(error), lease });
      if (!(error instanceof ProblemError) && !signal.aborted) logger.error({ err: error, turnId }, 'turn failed');
    } finally {
      over.abort();
      turnLog?.[Symbol.dispose]();
    }
  }

  #gate({ id, projectId, userId }: StoredConversation, log: TurnLog, modelId: string): SpendGate {
    const { store, budgets, sentinel } = this.#deps;
    const { turnId } = log;
    const spender = { userId, projectId, conversationId: id, turnId };
    const turnCosts = () => store.ledger.turnCosts(userId, new Date(Date.now() - usualMs), usualTurns, turnId);
    return new SpendGate({ budgets, log, spender, modelId, sentinel: sentinel ? new Sentinel(turnCosts) : null });
  }

  /** Never rejects: when even the end cannot be stored, the next server finds the turn open. */
  async #end(
    conversationId: string,
    turnId: string,
    outcome: TurnOutcome,
    { problem, lease }: { problem?: Problem; lease?: Lease } = {},
  ): Promise<void> {
    const end: EventBody = { type: 'turn.ended', turnId, outcome, ...(problem ? { problem } : {}) };
    try {
      await storeSurely(
        () => this.#deps.log.append(conversationId, [end], { lease }),
        () => this.#closing,
      );
    } catch (error) {
      // It has ended already, or the conversation is gone for good, or another node's.
      if (error instanceof ProblemError && (error.problem.code === 'not_found' || error.problem.status === 409)) return;
      this.#deps.logger.error({ err: error, turnId }, 'the end of a turn could not be stored');
    }
  }

  async #abandonUnfinished(turnLog: TurnLog): Promise<void> {
    const { turnId } = turnLog;
    for (const step of turnLog.turn?.steps ?? []) {
      // What a pause asks is still to be answered.
      if (step.status === 'running' && step.purpose !== 'pause')
        turnLog.write({ type: 'step.abandoned', turnId, stepId: step.id, problem: serverRestarted });
    }
    await turnLog.flush();
  }
}

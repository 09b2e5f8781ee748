import { setTimeout as sleep } from 'node:timers/promises';
import type { EventBody, TurnOutcome } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { type Problem, ProblemError } from '@devlm/protocol/problem.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import type { Logger } from 'pino';
import { PromptCacheWatch } from '../llm/prompt-cache.ts';
import type { Provider } from '../llm/provider.ts';
import type { EventLog } from '../storage/event-log.ts';
import type { Store } from '../storage/store.ts';
import { compactAll } from './compaction.ts';
import { endOf, type LoopDeps, runLoop } from './loop.ts';
import { showProject } from './project-map.ts';
import { Stopped, serverRestarted } from './step.ts';
import { openCalls } from './tool-calls.ts';
import { TurnLog } from './turn-log.ts';

export interface TurnsDeps {
  readonly store: Store;
  readonly log: EventLog;
  readonly provider: Provider;
  /** What the model may use in a conversation, and what it is told. Asked when a turn begins. */
  readonly toolsFor: (
    conversationId: string,
    task: Task | undefined,
    signal: AbortSignal,
  ) => Promise<Pick<LoopDeps, 'tools' | 'services' | 'system' | 'rulesChars' | 'fileRules' | 'projectMap'>>;
  readonly logger: Logger;
  readonly retryBaseMs: number;
  /** Share of a model's window, 0 to 1, beyond which a conversation is compacted. */
  readonly compactAt: number;
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
/** Tries to store the end of a turn, with doubling waits from 100 ms. */
const endAttempts = 6;

interface Entry {
  readonly turnId: string;
  /** How often earlier servers took it up. */
  readonly attempts: number;
  /** Left by an earlier server, begun or not. */
  readonly resumed: boolean;
}

interface Lane {
  readonly conversationId: string;
  readonly queue: Entry[];
  running: { turnId: string; controller: AbortController; done: Promise<void> } | undefined;
}

class Closing extends Error {}

/** Runs turns: one at a time in a conversation, in the order of their creation, many conversations at once. */
export class Turns implements AsyncDisposable {
  readonly #deps: TurnsDeps;
  readonly #lanes = new Map<string, Lane>();
  readonly #promptCache = new PromptCacheWatch();
  #closing = false;

  constructor(deps: TurnsDeps) {
    this.#deps = deps;
  }

  /** Turns running or waiting. */
  get busy(): number {
    let count = 0;
    for (const lane of this.#lanes.values()) count += lane.queue.length + (lane.running ? 1 : 0);
    return count;
  }

  /** @throws ProblemError `queue_full` */
  assertRoom(conversationId: string): void {
    const waiting = this.#lanes.get(conversationId)?.queue.length ?? 0;
    if (waiting < limits.queuedTurns && this.busy < maxWaiting) return;
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

  /** Takes on a turn that has just been created. */
  enqueue(conversationId: string, turnId: string): void {
    this.#add(conversationId, { turnId, attempts: 0, resumed: false });
  }

  #add(conversationId: string, entry: Entry): void {
    const lane = this.#lanes.get(conversationId) ?? { conversationId, queue: [], running: undefined };
    this.#lanes.set(conversationId, lane);
    lane.queue.push(entry);
    this.#next(lane);
  }

  /** Takes up every turn that an earlier server left. */
  async resumeAll(): Promise<void> {
    for (const { conversationId, turnId, attempts } of await this.#deps.store.openTurns())
      this.#add(conversationId, { turnId, attempts, resumed: true });
  }

  /** Stops a running turn or takes a waiting one out; resolves when its end is in the log. */
  async stop(conversationId: string, turnId: string): Promise<void> {
    const lane = this.#lanes.get(conversationId);
    if (!lane) {
      // Its end could not be stored when it was due.
      const row = await this.#deps.store.turn(conversationId, turnId);
      if (row && row.status !== 'ended') await this.#end(conversationId, turnId, 'stopped');
      return;
    }
    const waiting = lane.queue.findIndex((entry) => entry.turnId === turnId);
    if (waiting >= 0) {
      lane.queue.splice(waiting, 1);
      await this.#end(conversationId, turnId, 'stopped');
    } else if (lane.running?.turnId === turnId) {
      lane.running.controller.abort(new Stopped());
      await lane.running.done;
    }
  }

  /** Stops everything in a conversation. */
  async stopAll(conversationId: string): Promise<void> {
    const lane = this.#lanes.get(conversationId);
    // Waiting ones first, or the next would start as the running one stops.
    const waiting = lane?.queue.map(({ turnId }) => turnId) ?? [];
    for (const turnId of waiting) await this.stop(conversationId, turnId);
    if (lane?.running) await this.stop(conversationId, lane.running.turnId);
  }

  /** Ends the work without ending the turns: the next server goes on with them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    const running = [...this.#lanes.values()].flatMap((lane) => (lane.running ? [lane.running] : []));
    for (const { controller } of running) controller.abort(new Closing());
    await Promise.race([Promise.all(running.map(({ done }) => done)), sleep(2_000, undefined, { ref: false })]);
  }

  #next(lane: Lane): void {
    if (this.#closing || lane.running) return;
    let running = 0;
    for (const other of this.#lanes.values()) if (other.running) running++;
    if (running >= maxRunning) return;
    const entry = lane.queue.shift();
    if (!entry) {
      this.#lanes.delete(lane.conversationId);
      return;
    }
    const controller = new AbortController();
    const done = this.#run(lane.conversationId, entry, controller.signal).finally(() => {
      lane.running = undefined;
      this.#next(lane);
      for (const other of this.#lanes.values()) if (!other.running) this.#next(other);
    });
    lane.running = { turnId: entry.turnId, controller, done };
  }

  async #run(conversationId: string, entry: Entry, signal: AbortSignal): Promise<void> {
    const { store, log, provider, logger } = this.#deps;
    const { turnId, attempts, resumed } = entry;
    let turnLog: TurnLog | undefined;
    try {
      turnLog = await TurnLog.open(store, log, conversationId, turnId);
      if (resumed) {
        await this.#abandonUnfinished(turnLog);
        const ended = endOf(turnLog.turn);
        if (ended) return await this.#end(conversationId, turnId, ended);
      }
      // Who waited for a person did not bring the server down.
      if (attempts >= maxTurnAttempts && !waitsForPerson(turnLog.turn))
        throw new ProblemError({
          ...serverRestarted,
          detail: 'The companion server ended several times over this answer.',
          action: 'retry',
        });
      turnLog.write({ type: 'turn.started', turnId, attempt: attempts + 1 });
      if (resumed) await provider.whenHandedOver(keyWaitMs, signal);
      signal.throwIfAborted();
      const { turn } = turnLog;
      const modelId = turn?.model ?? (await provider.defaultModel(signal));
      const deps: LoopDeps = {
        model: provider.model(),
        modelId,
        thinking: turn?.thinking ?? false,
        ...(await this.#deps.toolsFor(conversationId, turn?.task, signal)),
        log: turnLog,
        readBlob: async (hash) => (await store.blob(hash))?.data ?? null,
        costOf: (model, usage) => provider.costOf(model, usage),
        contextTokens: (during) => provider.contextTokens(modelId, during),
        compactAt: this.#deps.compactAt,
        watchCache: (path, request) => this.#promptCache.begin(conversationId, path, request),
        retryBaseMs: this.#deps.retryBaseMs,
      };
      await showProject(turnLog, deps.projectMap);
      await (turn?.compact ? compactAll(deps, signal) : runLoop(deps, signal));
      await turnLog.flush();
      await this.#end(conversationId, turnId, 'completed');
    } catch (error) {
      await turnLog?.flush().catch(() => undefined);
      if (signal.reason instanceof Closing) return;
      if (signal.reason instanceof Stopped) await this.#end(conversationId, turnId, 'stopped');
      else await this.#end(conversationId, turnId, 'failed', this.#toProblem(error));
      if (!(error instanceof ProblemError) && !signal.aborted) logger.error({ err: error, turnId }, 'turn failed');
    } finally {
      turnLog?.[Symbol.dispose]();
    }
  }

  /** Never rejects: when even the end cannot be stored, the next server finds the turn open. */
  async #end(conversationId: string, turnId: string, outcome: TurnOutcome, problem?: Problem): Promise<void> {
    const end: EventBody = { type: 'turn.ended', turnId, outcome, ...(problem ? { problem } : {}) };
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#deps.log.append(conversationId, [end]);
        return;
      } catch (error) {
        // It has ended already, or the conversation is gone for good.
        if (error instanceof ProblemError && ['conflict', 'not_found'].includes(error.problem.code)) return;
        if (attempt === endAttempts || this.#closing) {
          this.#deps.logger.error({ err: error, turnId }, 'the end of a turn could not be stored');
          return;
        }
        await sleep(100 * 2 ** (attempt - 1));
      }
    }
  }

  async #abandonUnfinished(turnLog: TurnLog): Promise<void> {
    const { turnId } = turnLog;
    for (const step of turnLog.turn?.steps ?? []) {
      if (step.status === 'running')
        turnLog.write({ type: 'step.abandoned', turnId, stepId: step.id, problem: serverRestarted });
    }
    await turnLog.flush();
  }

  #toProblem(error: unknown): Problem {
    if (error instanceof ProblemError) return error.problem;
    return {
      code: 'internal',
      status: 500,
      title: 'Something went wrong in DevLM',
      detail: 'The answer ended because of an error in the companion server. The log has the details.',
      action: 'show-log',
    };
  }
}

/** A question of one of its tools is open. */
function waitsForPerson(turn: TurnState | undefined): boolean {
  return openCalls(turn).some(({ stepId, callId }) => {
    const call = turn?.steps.find(({ id }) => id === stepId)?.calls[callId];
    return call?.ask !== undefined && call.answer === undefined;
  });
}

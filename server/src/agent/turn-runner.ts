import type { EventBody, TurnOutcome } from '@devlm/protocol/events.ts';
import { type Problem, ProblemError } from '@devlm/protocol/problem.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import type { Logger } from 'pino';
import type { Budgets } from '../llm/budgets.ts';
import type { Model } from '../llm/model.ts';
import { PromptCacheWatch } from '../llm/prompt-cache.ts';
import type { Provider } from '../llm/provider.ts';
import type { EventLog } from '../storage/event-log.ts';
import type { StoredConversation } from '../storage/ports/conversations.ts';
import type { Lease } from '../storage/ports/leases.ts';
import type { Store } from '../storage/ports/store.ts';
import { compactAll } from './compaction.ts';
import { isLeaseLost, storeSurely, turnProblem } from './failures.ts';
import { HidingModel } from './hiding-model.ts';
import { Closing, Stopped, serverRestarted } from './interruptions.ts';
import type { Entry } from './lane.ts';
import type { HeldLease, Leases } from './leases.ts';
import { endOf, type LoopDeps, runLoop } from './loop.ts';
import { waitsForPerson } from './pause.ts';
import { showProject } from './project-map.ts';
import { Sentinel } from './sentinel.ts';
import { SpendGate } from './spend-gate.ts';
import { TurnLog } from './turn-log.ts';

/** What the model may use in a conversation, and what it is told. */
type Toolbox = Pick<LoopDeps, 'tools' | 'services' | 'system' | 'rulesChars' | 'fileRules' | 'projectMap'>;

/** What a turn is run with. */
export interface TurnRunnerDeps {
  readonly store: Store;
  readonly log: EventLog;
  readonly provider: Provider;
  readonly budgets: Budgets;
  /** Asked when a turn begins. */
  readonly toolsFor: (
    conversation: StoredConversation,
    task: Task | undefined,
    signal: AbortSignal,
  ) => Promise<Toolbox>;
  readonly logger: Logger;
  /** First wait before a failed call is made again, in milliseconds; doubles each time. */
  readonly retryBaseMs: number;
  /** Share of a model's window, 0 to 1, beyond which a conversation is compacted. */
  readonly compactAt: number;
  /** Whether the user is asked about a turn that looks as if it had gone wrong. */
  readonly sentinel: boolean;
}

/** Number of attempts after which a turn that ends the server each time is not tried again. */
const maxTurnAttempts = 3;
/**
 * Longest wait for the editor to hand over key and base URL again after a restart, in milliseconds. Until then nothing
 * is sent: it could go to another account and place than before.
 */
const keyWaitMs = 30_000;
/** Number of the user's recent turns that a turn's cost is compared with. */
const usualTurns = 50;
/** Age beyond which a turn is not compared with, in milliseconds. */
const usualMs = 30 * 86_400_000;

/** Runs one turn from its beginning, or from where a dead server left it, to its end in the log. */
export class TurnRunner {
  readonly #deps: TurnRunnerDeps;
  readonly #leases: Leases;
  readonly #isClosing: () => boolean;
  readonly #promptCache = new PromptCacheWatch();

  /** @param isClosing whether the server shuts down, so that what cannot be stored is not tried again */
  constructor(deps: TurnRunnerDeps, leases: Leases, isClosing: () => boolean) {
    this.#deps = deps;
    this.#leases = leases;
    this.#isClosing = isClosing;
  }

  /**
   * Runs a turn. Never rejects.
   *
   * @param held the lease of the conversation
   * @param controller interrupts the turn: with `Stopped` it is ended, with `Closing` left to the next server
   */
  async run(conversationId: string, entry: Entry, held: HeldLease, controller: AbortController): Promise<void> {
    const { store, log, logger } = this.#deps;
    const { turnId } = entry;
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
      const outcome = await this.#answer(conversation, turnLog, { resumed: entry.resumed, attempts }, signal);
      await this.end(conversationId, turnId, outcome, held);
    } catch (error) {
      await turnLog?.flush().catch(() => undefined);
      if (isLeaseLost(error)) this.#leases.lose(held);
      if (signal.reason instanceof Closing || held.lost.aborted) return;
      const { lease } = held;
      if (signal.reason instanceof Stopped) await this.end(conversationId, turnId, 'stopped', { lease });
      else await this.end(conversationId, turnId, 'failed', { problem: turnProblem(error), lease });
      if (!(error instanceof ProblemError) && !signal.aborted) logger.error({ err: error, turnId }, 'turn failed');
    } finally {
      over.abort();
      turnLog?.[Symbol.dispose]();
    }
  }

  /** Ends a turn. Never rejects: when even the end cannot be stored, the next server finds the turn open. */
  async end(
    conversationId: string,
    turnId: string,
    outcome: TurnOutcome,
    { problem, lease }: { problem?: Problem; lease?: Lease } = {},
  ): Promise<void> {
    const end: EventBody = { type: 'turn.ended', turnId, outcome, ...(problem ? { problem } : {}) };
    try {
      await storeSurely(() => this.#deps.log.append(conversationId, [end], { lease }), this.#isClosing);
    } catch (error) {
      // It has ended already, or the conversation is gone for good, or another node's.
      if (error instanceof ProblemError && (error.problem.code === 'not_found' || error.problem.status === 409)) return;
      this.#deps.logger.error({ err: error, turnId }, 'the end of a turn could not be stored');
    }
  }

  /** Carries a turn on until the model has stopped, and returns its outcome. Rejects as `runLoop`. */
  async #answer(
    conversation: StoredConversation,
    turnLog: TurnLog,
    { resumed, attempts }: { resumed: boolean; attempts: number },
    signal: AbortSignal,
  ): Promise<TurnOutcome> {
    const { store, provider } = this.#deps;
    if (resumed) {
      await abandonUnfinished(turnLog);
      const ended = endOf(turnLog.turn);
      if (ended) return ended;
    }
    // Who waited for a person did not bring the server down.
    if (attempts >= maxTurnAttempts && !waitsForPerson(turnLog.turn)) throw diedTooOften();
    turnLog.write({ type: 'turn.started', turnId: turnLog.turnId, attempt: attempts + 1 });
    // Where there may be other nodes, who cannot write calls no model; and what may have brought a server down is
    // counted before it is tried again. Else this is stored while the first call is on its way.
    if (resumed || store.kind !== 'sqlite') await turnLog.flush();
    if (resumed) await provider.whenHandedOver(keyWaitMs, signal);
    signal.throwIfAborted();
    const { turn } = turnLog;
    const modelId = turn?.model ?? (await provider.defaultModel(signal));
    const model = provider.model({ conversationId: conversation.id });
    const toolbox = await this.#deps.toolsFor(conversation, turn?.task, signal);
    const deps = this.#loopDeps(conversation, turnLog, { model, modelId, toolbox });
    await showProject(turnLog, deps.projectMap);
    await (turn?.compact ? compactAll(deps, signal) : runLoop(deps, signal));
    await turnLog.flush();
    return 'completed';
  }

  #loopDeps(
    conversation: StoredConversation,
    log: TurnLog,
    { model, modelId, toolbox }: { model: Model; modelId: string; toolbox: Toolbox },
  ): LoopDeps {
    const { store, provider, compactAt, retryBaseMs } = this.#deps;
    const gate = this.#gate(conversation, log, modelId);
    return {
      model: new HidingModel(model, toolbox.services.secrets),
      modelId,
      thinking: log.turn?.thinking ?? false,
      ...toolbox,
      log,
      readBlob: async (hash) => (await store.blobs.get(hash))?.data ?? null,
      costOf: (model, usage) => provider.costOf(model, usage),
      countedCost: (model, usage) => provider.countedCost(model, usage),
      admit: (promptTokens, during) => gate.admit(promptTokens, during),
      contextTokens: (during) => provider.contextTokens(modelId, during),
      compactAt,
      watchCache: (path, request) => this.#promptCache.begin(conversation.id, path, request),
      retryBaseMs,
    };
  }

  #gate({ id, projectId, userId }: StoredConversation, log: TurnLog, modelId: string): SpendGate {
    const { store, budgets, sentinel } = this.#deps;
    const { turnId } = log;
    const spender = { userId, projectId, conversationId: id, turnId };
    const turnCosts = () => store.ledger.turnCosts(userId, new Date(Date.now() - usualMs), usualTurns, turnId);
    return new SpendGate({ budgets, log, spender, modelId, sentinel: sentinel ? new Sentinel(turnCosts) : null });
  }
}

/** Marks what a dead server has left half-written. */
async function abandonUnfinished(turnLog: TurnLog): Promise<void> {
  const { turnId } = turnLog;
  for (const step of turnLog.turn?.steps ?? []) {
    // What a pause asks is still to be answered.
    if (step.status === 'running' && step.purpose !== 'pause')
      turnLog.write({ type: 'step.abandoned', turnId, stepId: step.id, problem: serverRestarted });
  }
  await turnLog.flush();
}

function diedTooOften(): ProblemError {
  return new ProblemError({
    ...serverRestarted,
    detail: 'The companion server ended several times over this answer.',
    action: 'retry',
  });
}

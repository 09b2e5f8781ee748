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
import type { QueuedTurn } from './conversation-turns.ts';
import { isLeaseLost, storeSurely, turnProblem } from './failures.ts';
import { HidingModel } from './hiding-model.ts';
import { Closing, Stopped, serverRestarted } from './interruptions.ts';
import type { HeldLease, Leases } from './leases.ts';
import { type LoopDeps, runLoop, storedOutcomeOf } from './loop.ts';
import { waitsForUser } from './pause.ts';
import { showProject } from './project-map.ts';
import type { SentRequests } from './sent-requests.ts';
import { Sentinel } from './sentinel.ts';
import { SpendGate } from './spend-gate.ts';
import { TurnLog } from './turn-log.ts';
import { turnTracer } from './turn-trace.ts';

/** The tools that the model may use in a conversation, and the text that it is given. */
type TurnTools = Pick<LoopDeps, 'tools' | 'services' | 'system' | 'rulesChars' | 'fileRules' | 'projectMap'>;

/** Dependencies of `TurnRunner`. */
export interface TurnRunnerDeps {
  readonly store: Store;
  readonly log: EventLog;
  readonly provider: Provider;
  readonly budgets: Budgets;
  /** Returns the tools and texts of a turn; called when the turn begins. */
  readonly toolsFor: (
    conversation: StoredConversation,
    task: Task | undefined,
    signal: AbortSignal,
  ) => Promise<TurnTools>;
  readonly logger: Logger;
  readonly sentRequests: SentRequests;
  /** Wait before the first retry of a failed call, in milliseconds. Doubles with each retry. */
  readonly retryBaseMs: number;
  /** Share of the model's context window, 0 to 1, beyond which a conversation is compacted. */
  readonly compactAt: number;
  /** Whether the user is asked about a turn that looks as if it had gone wrong. */
  readonly sentinel: boolean;
}

/** Number of attempts after which a turn that crashes the server each time is not tried again. */
const maxTurnAttempts = 3;
/**
 * Maximum time to wait after a restart until the editor hands over its API key and base URL again, in milliseconds.
 * Nothing is sent earlier, because it could go to a different account and endpoint than the calls before the restart.
 */
const maxKeyWaitMs = 30_000;
/** Number of the user's recent turns that the cost baseline is computed from. */
const baselineTurns = 50;
/** Age beyond which a turn does not count towards the cost baseline, in milliseconds. */
const baselineMs = 30 * 86_400_000;

/** Runs one turn to its end in the log, from its beginning or from where a dead server left it. */
export class TurnRunner {
  readonly #deps: TurnRunnerDeps;
  readonly #leases: Leases;
  readonly #isClosing: () => boolean;
  readonly #promptCache = new PromptCacheWatch();

  /** @param isClosing returns whether the server is shutting down; a failed write is then not retried */
  constructor(deps: TurnRunnerDeps, leases: Leases, isClosing: () => boolean) {
    this.#deps = deps;
    this.#leases = leases;
    this.#isClosing = isClosing;
  }

  /**
   * Runs a turn. Never rejects.
   *
   * @param held the lease of the conversation
   * @param controller interrupts the turn: `Stopped` ends it, `Closing` leaves it to the next server
   */
  async run(conversationId: string, entry: QueuedTurn, held: HeldLease, controller: AbortController): Promise<void> {
    const { store, log, logger } = this.#deps;
    const { turnId } = entry;
    const signal = AbortSignal.any([controller.signal, held.lost]);
    const finished = new AbortController();
    let turnLog: TurnLog | undefined;
    try {
      const conversation = await store.conversations.get(conversationId);
      if (!conversation) return;
      const attempts = entry.attempts ?? (await store.turns.get(conversationId, turnId))?.attempts ?? 0;
      turnLog = await TurnLog.open(store, log, conversationId, turnId, {
        lease: held.lease,
        onWrite: turnTracer(logger, conversationId),
      });
      // The turn was stopped, or another node has run it already.
      if (turnLog.turn?.endedAt !== undefined) return;
      turnLog
        .until(({ stopping }) => stopping, finished.signal)
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
      finished.abort();
      turnLog?.[Symbol.dispose]();
    }
  }

  /** Ends a turn. Never rejects: if the end cannot be stored, the next server finds the turn open. */
  async end(
    conversationId: string,
    turnId: string,
    outcome: TurnOutcome,
    { problem, lease }: { problem?: Problem; lease?: Lease } = {},
  ): Promise<void> {
    const end: EventBody = { type: 'turn.ended', turnId, outcome, ...(problem ? { problem } : {}) };
    turnTracer(this.#deps.logger, conversationId)(end);
    try {
      await storeSurely(() => this.#deps.log.append(conversationId, [end], { lease }), this.#isClosing);
    } catch (error) {
      // The turn has ended already, or the conversation was deleted or belongs to another node.
      if (error instanceof ProblemError && (error.problem.code === 'not_found' || error.problem.status === 409)) return;
      this.#deps.logger.error({ err: error, turnId }, 'cannot store the end of a turn');
    }
  }

  /** Runs a turn until the model has stopped, and returns its outcome. Rejects as `runLoop` does. */
  async #answer(
    conversation: StoredConversation,
    turnLog: TurnLog,
    { resumed, attempts }: { resumed: boolean; attempts: number },
    signal: AbortSignal,
  ): Promise<TurnOutcome> {
    const { store, provider } = this.#deps;
    if (resumed) {
      await abandonUnfinished(turnLog);
      const ended = storedOutcomeOf(turnLog.turn);
      if (ended) return ended;
    }
    // A turn that was waiting for the user did not bring the server down.
    if (attempts >= maxTurnAttempts && !waitsForUser(turnLog.turn)) throw diedTooOften();
    turnLog.write({ type: 'turn.started', turnId: turnLog.turnId, attempt: attempts + 1 });
    // Flush before the first call in two cases. Where other nodes may exist, a node that cannot write must not call a
    // model. A resumed turn may have brought the server down, so the attempt has to be counted before it is repeated.
    // Otherwise the event is stored while the first call is on its way.
    if (resumed || store.kind !== 'sqlite') await turnLog.flush();
    if (resumed) await provider.whenHandedOver(maxKeyWaitMs, signal);
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
    { model, modelId, toolbox }: { model: Model; modelId: string; toolbox: TurnTools },
  ): LoopDeps {
    const { store, provider, sentRequests, compactAt, retryBaseMs } = this.#deps;
    const gate = this.#gate(conversation, log, modelId);
    const hidingModel = new HidingModel(model, toolbox.services.secrets);
    const turn = { conversationId: conversation.id, turnId: log.turnId };
    return {
      model: hidingModel,
      keepRequest: (stepId, request) => sentRequests.add({ ...turn, stepId }, hidingModel.hideRequest(request)),
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
    const turnCosts = () => store.ledger.turnCosts(userId, new Date(Date.now() - baselineMs), baselineTurns, turnId);
    return new SpendGate({ budgets, log, spender, modelId, sentinel: sentinel ? new Sentinel(turnCosts) : null });
  }
}

/** Marks the steps that a dead server left unfinished as abandoned. */
async function abandonUnfinished(turnLog: TurnLog): Promise<void> {
  const { turnId } = turnLog;
  for (const step of turnLog.turn?.steps ?? []) {
    // The question of a pause is still to be answered.
    if (step.status === 'running' && step.purpose !== 'pause')
      turnLog.write({ type: 'step.abandoned', turnId, stepId: step.id, problem: serverRestarted });
  }
  await turnLog.flush();
}

function diedTooOften(): ProblemError {
  return new ProblemError({
    ...serverRestarted,
    detail:
      'The companion server stopped unexpectedly several times while it worked on this answer. Send the message again, or start a new conversation.',
    action: 'retry',
  });
}

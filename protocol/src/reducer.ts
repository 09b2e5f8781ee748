import { withRepeated, withTopic } from './earlier-events.ts';
import type { EventBody, ReceivedEvent, Usage } from './events.ts';
import { EventBody as EventBodySchema } from './events.ts';
import { answerState, askState } from './questions.ts';
import type { BlockState, ConversationState, StepState, ToolCallState, TurnRecord, TurnState } from './state.ts';

/*
 * The one reducer: the chat page, the server's prompt, the export and the tests all fold events with it.
 */

/** Length of the end of a tool's live output that a state keeps, in UTF-16 code units. */
const maxOutputChars = 20_000;

/** Returns the state of a conversation without events. */
export function emptyConversation(id: string): ConversationState {
  return { id, title: '', projectId: null, branchOf: null, head: null, lastSeq: 0, turns: {} };
}

/**
 * Folds a live event into the state. An event at or below `lastSeq` changes nothing, so that repeated delivery is
 * harmless. The transport has to detect gaps.
 */
export function applyEvent(state: ConversationState, event: ReceivedEvent): ConversationState {
  if (event.seq <= state.lastSeq) return state;
  const next = fold(state, event);
  return { ...next, lastSeq: event.seq };
}

/** Adds the turns of a page of the conversation. `lastSeq` and `head` do not change. */
export function addTurns(state: ConversationState, records: readonly TurnRecord[]): ConversationState {
  const turns = { ...state.turns };
  for (const { turnId, siblings, events } of records) {
    // Each turn is folded on its own, so that the order of siblings does not depend on the order of pages.
    const turn = events.reduce(fold, emptyConversation(state.id)).turns[turnId];
    if (!turn) continue;
    turns[turnId] = { ...turn, siblings };
    for (const id of siblings) {
      const sibling = turns[id];
      if (sibling && sibling.siblings.length < siblings.length) turns[id] = { ...sibling, siblings };
    }
  }
  return { ...state, turns };
}

/** Removes turns to bound memory. They can be loaded again. */
export function dropTurns(state: ConversationState, ids: ReadonlySet<string>): ConversationState {
  if (ids.size === 0) return state;
  return { ...state, turns: Object.fromEntries(Object.entries(state.turns).filter(([id]) => !ids.has(id))) };
}

/**
 * Returns the loaded turns of a branch, oldest first: from `from` (default: the head) through its ancestors to the last
 * one that is loaded. `older` is the id of the next ancestor, or null at the beginning.
 */
export function shownPath(
  state: ConversationState,
  from: string | null = state.head,
): { turns: TurnState[]; older: string | null } {
  const turns: TurnState[] = [];
  let id = from;
  while (id !== null) {
    const turn = state.turns[id];
    if (!turn) break;
    turns.push(turn);
    id = turn.parent;
  }
  return { turns: turns.reverse(), older: id };
}

/** Returns the usage of a turn so far. `costUsd` is null if the price of any step is unknown. */
export function turnUsage(turn: TurnState): Usage & { costUsd: number | null } {
  const total = {
    inputTokens: 0,
    outputTokens: 0,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    costUsd: 0 as number | null,
  };
  for (const { usage, costUsd, results } of turn.steps) {
    for (const { details } of Object.values(results)) {
      if (details?.costUsd !== undefined)
        total.costUsd = details.costUsd === null || total.costUsd === null ? null : total.costUsd + details.costUsd;
    }
    if (!usage) continue;
    total.inputTokens += usage.inputTokens;
    total.outputTokens += usage.outputTokens;
    total.cacheReadTokens += usage.cacheReadTokens;
    total.cacheWriteTokens += usage.cacheWriteTokens;
    total.costUsd =
      total.costUsd === null || costUsd === null || costUsd === undefined ? null : total.costUsd + costUsd;
  }
  return total;
}

/** Returns the text of a turn's answer, without thinking and tools. */
export function answerText(turn: TurnState): string {
  return turn.steps
    .flatMap((step) => (step.purpose ? [] : step.blocks))
    .filter((block) => block.kind === 'text')
    .map((block) => block.text)
    .join('\n\n');
}

/**
 * Joins adjacent deltas of the same block into one event, for sending a stored turn. The joined event has the `seq` of
 * the last one. Folding the result gives the same state.
 */
export function joinDeltas<E extends ReceivedEvent>(events: readonly E[]): E[] {
  const joined: E[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    if (
      last !== undefined &&
      isDelta(event) &&
      isDelta(last) &&
      last.stepId === event.stepId &&
      last.index === event.index
    ) {
      joined[joined.length - 1] = { ...event, text: last.text + event.text };
    } else {
      joined.push(event);
    }
  }
  return joined;
}

const knownTypes: ReadonlySet<string> = new Set(EventBodySchema.options.map((option) => option.shape.type.value));

function isKnown(event: ReceivedEvent): event is Extract<ReceivedEvent, EventBody> {
  return knownTypes.has(event.type);
}

function isDelta(event: ReceivedEvent): event is Extract<ReceivedEvent, { type: 'block.delta' }> {
  return isKnown(event) && event.type === 'block.delta';
}

function withTurn(state: ConversationState, turn: TurnState): ConversationState {
  return { ...state, turns: { ...state.turns, [turn.id]: turn } };
}

function fold(state: ConversationState, event: ReceivedEvent): ConversationState {
  if (!isKnown(event)) return state;
  switch (event.type) {
    case 'conversation.created':
      return { ...state, title: event.title, projectId: event.projectId, branchOf: event.branchOf };
    case 'conversation.renamed':
      return { ...state, title: event.title };
    case 'head.moved':
      return { ...state, head: event.turnId, aside: event.aside };
    case 'turn.created':
      return createTurn(state, event);
    default: {
      const turn = state.turns[event.turnId];
      // A turn that the page has not loaded is not shown.
      if (!turn) return state;
      const changed = foldTurn(turn, event);
      return changed === turn ? state : withTurn(state, changed);
    }
  }
}

function createTurn(
  state: ConversationState,
  event: ReceivedEvent & Extract<EventBody, { type: 'turn.created' }>,
): ConversationState {
  const olderSiblings = Object.values(state.turns).filter((turn) => turn.parent === event.parent);
  // Each loaded sibling lists its own siblings, so that the longest list is the complete one.
  const known = olderSiblings.reduce<readonly string[]>(
    (longest, turn) => (turn.siblings.length > longest.length ? turn.siblings : longest),
    [],
  );
  const siblings = [...known.filter((id) => id !== event.turnId), event.turnId];
  const turns = { ...state.turns };
  for (const turn of olderSiblings) turns[turn.id] = { ...turn, siblings };
  turns[event.turnId] = {
    id: event.turnId,
    parent: event.parent,
    siblings,
    at: event.at,
    text: event.text,
    attachments: event.attachments,
    model: event.model,
    thinking: event.thinking,
    ...(event.compact ? { compact: event.compact } : {}),
    ...(event.task ? { task: event.task } : {}),
    status: 'queued',
    steps: [],
  };
  return { ...state, head: event.turnId, aside: undefined, turns };
}

type TurnEvent = ReceivedEvent &
  Exclude<Extract<EventBody, { turnId: string }>, { type: 'turn.created' | 'head.moved' }>;

function foldTurn(turn: TurnState, event: TurnEvent): TurnState {
  switch (event.type) {
    case 'turn.started':
      return { ...turn, status: 'running' };
    case 'budget.warned':
      return { ...turn, warnings: [...(turn.warnings ?? []), { ...event.warning, step: turn.steps.length }] };
    case 'rules.noted':
      return {
        ...turn,
        notes: [...(turn.notes ?? []), { kind: 'rules', step: turn.steps.length, text: event.text }],
        rules: [...(turn.rules ?? []), ...event.paths],
      };
    case 'project.mapped':
      return { ...turn, map: event.text };
    case 'commands.noted': {
      const { text, commands } = event;
      return { ...turn, notes: [...(turn.notes ?? []), { kind: 'commands', step: turn.steps.length, text, commands }] };
    }
    case 'reviews.noted': {
      const { text, reviewIds, paths } = event;
      return {
        ...turn,
        notes: [...(turn.notes ?? []), { kind: 'reviews', step: turn.steps.length, text }],
        told: {
          reviews: [...(turn.told?.reviews ?? []), ...reviewIds],
          paths: [...(turn.told?.paths ?? []), ...paths],
        },
      };
    }
    case 'review.started':
      return { ...turn, reviews: [...(turn.reviews ?? []), { ...event.review, at: event.at, status: 'open' }] };
    case 'review.marked':
      return { ...turn, marks: { ...turn.marks, ...Object.fromEntries(event.files.map((mark) => [mark.path, mark])) } };
    case 'review.ended': {
      const status = event.done ? 'done' : 'failed';
      const { reviewId } = event;
      return {
        ...turn,
        reviews: turn.reviews?.map((review) => (review.id === reviewId ? { ...review, status } : review)),
      };
    }
    case 'turn.stopping':
      return { ...turn, stopping: true };
    case 'turn.ended':
      return {
        ...turn,
        status: event.outcome,
        problem: event.problem,
        endedAt: event.at,
        steps: turn.steps.map((step) =>
          step.status === 'running' ? { ...step, status: 'ended', retry: undefined } : step,
        ),
      };
    case 'step.started':
      return {
        ...turn,
        steps: [
          ...turn.steps,
          {
            id: event.stepId,
            model: event.model,
            status: 'running',
            blocks: [],
            results: {},
            calls: {},
            ...(event.purpose ? { purpose: event.purpose } : {}),
            ...(event.context ? { context: event.context } : {}),
          },
        ],
      };
    default:
      return withStep(turn, event.stepId, (step) => foldStep(step, event));
  }
}

type StepEvent = Exclude<Extract<TurnEvent, { stepId: string }>, { type: 'step.started' }>;

function foldStep(step: StepState, event: StepEvent): StepState {
  switch (event.type) {
    case 'step.retrying': {
      const { problem, attempt, maxAttempts, delayMs } = event;
      return { ...step, retry: { problem, attempt, maxAttempts, delayMs } };
    }
    case 'step.abandoned':
      return {
        ...step,
        status: 'abandoned',
        problem: event.problem,
        blocks: [],
        retry: undefined,
        usage: event.usage,
        costUsd: event.costUsd,
      };
    case 'step.ended':
      return {
        ...step,
        status: 'ended',
        stopReason: event.stopReason,
        usage: event.usage,
        estimated: event.estimated,
        costUsd: event.costUsd,
        model: event.model,
        retry: undefined,
        ...(event.cacheBreak ? { cacheBreak: event.cacheBreak } : {}),
      };
    case 'block.started':
      return {
        ...step,
        retry: undefined,
        blocks: [...step.blocks, { index: event.index, kind: event.kind, text: '', done: false, tool: event.tool }],
      };
    case 'block.delta':
      return withBlock(step, event.index, (block) => ({ ...block, text: block.text + event.text }));
    case 'block.ended':
      return withBlock(step, event.index, (block) => ({
        ...block,
        done: true,
        signature: event.signature,
        opaque: event.opaque,
        citations: event.citations,
      }));
    case 'context.compacted':
      return { ...step, compaction: event.compaction };
    default:
      return foldCall(step, event);
  }
}

type CallEvent = Extract<StepEvent, { callId: string }>;

function foldCall(step: StepState, event: CallEvent): StepState {
  switch (event.type) {
    case 'ask.opened':
      return withCall(step, event.callId, (call) => {
        const ask = step.purpose === 'pause' ? withTopic(event.ask, event.callId) : event.ask;
        return { ...call, ask: askState(ask) };
      });
    case 'ask.answered':
      return withCall(step, event.callId, (call) => ({
        ...call,
        answer: call.answer ?? answerState(call.ask, event.answer),
      }));
    case 'tool.started': {
      const { changes, executionId, command } = event;
      // A rehearsal emits this event twice: when its run starts, and when the resulting changes are made.
      return withCall(step, event.callId, (call) => ({
        ...call,
        started: true,
        startedAt: event.at,
        changes: changes ?? call.changes,
        executionId: executionId ?? call.executionId,
        command: command ?? call.command,
      }));
    }
    case 'tool.output':
      return withCall(step, event.callId, (call) => ({
        ...call,
        output: (call.output + event.text).slice(-maxOutputChars),
      }));
    case 'tool.ended': {
      const { ok, text, details, repeated } = withRepeated(event);
      const result = { ok, text, ...(repeated ? { repeated } : {}), ...(details ? { details } : {}) };
      return { ...step, results: { ...step.results, [event.callId]: result } };
    }
  }
}

function withStep(turn: TurnState, id: string, change: (step: StepState) => StepState): TurnState {
  return { ...turn, steps: turn.steps.map((step) => (step.id === id ? change(step) : step)) };
}

function withCall(step: StepState, callId: string, change: (call: ToolCallState) => ToolCallState): StepState {
  const call = step.calls[callId] ?? { started: false, output: '' };
  return { ...step, calls: { ...step.calls, [callId]: change(call) } };
}

function withBlock(step: StepState, index: number, change: (block: BlockState) => BlockState): StepState {
  return { ...step, blocks: step.blocks.map((block) => (block.index === index ? change(block) : block)) };
}

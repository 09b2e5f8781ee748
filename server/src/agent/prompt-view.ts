import { type Compaction, type ContextParts, contextTokens } from '@devlm/protocol/compaction.ts';
import type { StepState, ToolResult, TurnState } from '@devlm/protocol/state.ts';
import type { PlanItem } from '@devlm/protocol/tools.ts';
import { cut } from '../actions/tool.ts';
import type { ModelTool } from '../llm/model.ts';
import { contextImageTokens, estimateContextTokens } from '../llm/prompt-size.ts';

/*
 * Which part of a branch the model is shown, and how much of its window that fills. All of it is folded from
 * the log: after a restart the same prompt comes out, and what the provider has cached of it holds.
 */

export type Boundary = Compaction['upTo'];

/** A branch as the model is to see it. */
export interface PromptView {
  /** Stands before the first message in the place of what was left out. Null: nothing was. */
  readonly lead: string | null;
  readonly turns: readonly TurnState[];
  /** The newest step whose prompt the provider counted and that this view begins with. */
  readonly counted: { readonly stepId: string; readonly tokens: number } | null;
}

/** What a prompt holds beside the conversation. */
export interface PromptFrame {
  readonly system: string;
  /** How much of `system` the project's rules are. */
  readonly rulesChars: number;
  readonly tools: readonly ModelTool[];
}

/** Most that is kept of a summary, and of a message whose turn goes on behind it, in UTF-16 code units. */
const leadChars = 24_000;

/** Orders boundaries, turns and steps of one branch. */
type Place = readonly [turn: number, step: number];
const isBefore = (a: Place, b: Place) => a[0] < b[0] || (a[0] === b[0] && a[1] <= b[1]);

/** Leaves out and cuts what the compactions of the branch say. */
export function promptView(branch: readonly TurnState[]): PromptView {
  let summary: { place: Place; text: string } | null = null;
  const cuts: { place: Place; textChars: number }[] = [];
  let counted: PromptView['counted'] = null;
  for (const step of branch.flatMap(({ steps }) => steps)) {
    const { compaction, purpose, usage, status, estimated } = step;
    const place = compaction && placeOf(branch, compaction.upTo);
    if (compaction && place) {
      counted = null;
      if (compaction.textChars === null) summary = { place, text: summaryText(step) };
      else cuts.push({ place, textChars: compaction.textChars });
    } else if (!purpose && usage && status === 'ended' && !estimated) {
      const { inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens } = usage;
      counted = { stepId: step.id, tokens: inputTokens + cacheReadTokens + cacheWriteTokens + outputTokens };
    }
  }
  const from = summary?.place ?? [-1, -1];
  const turns = branch.flatMap((turn, at) => {
    if (turn.compact || isBefore([at, Number.POSITIVE_INFINITY], from)) return [];
    const kept = withoutHead(turn, from[0] === at ? from[1] : -1);
    return [cuts.reduce((result, { place, textChars }) => shortened(result, turn, [at, place], textChars), kept)];
  });
  return { lead: summary && leadOf(summary.text, planBefore(branch, from)), turns, counted };
}

function placeOf(branch: readonly TurnState[], { turnId, stepId }: Boundary): Place | null {
  const turn = branch.findIndex(({ id }) => id === turnId);
  const step = stepId === null ? Number.POSITIVE_INFINITY : branch[turn]?.steps.findIndex(({ id }) => id === stepId);
  return turn < 0 || step === undefined || step < 0 ? null : [turn, step];
}

/** The text that a compaction step wrote. */
export function summaryText(step: StepState): string {
  const texts = step.blocks.filter(({ kind }) => kind === 'text').map(({ text }) => text);
  return texts.join('\n\n').trim();
}

/** Without the steps that are no part of the answer, and those up to the index. */
function withoutHead(turn: TurnState, upTo: number): TurnState {
  const keeps = (step: StepState, index: number) => !step.purpose && index > upTo;
  if (turn.steps.every(keeps)) return turn;
  const keptBefore = (index: number) => turn.steps.slice(0, index).filter(keeps).length;
  const notes = turn.notes?.flatMap((note) => {
    if (note.step > upTo) return [{ ...note, step: keptBefore(note.step) }];
    // They were told for the whole turn.
    return note.text.startsWith('<rules>') ? [{ ...note, step: 0 }] : [];
  });
  const steps = turn.steps.filter(keeps);
  const rest = { ...turn, steps, ...(notes ? { notes } : {}) };
  // The request itself stays, word for word: the turn still works on it.
  return upTo < 0 ? rest : { ...rest, attachments: [], text: cut(turn.text, leadChars) };
}

/** The texts of a turn cut where they lie up to a place. `whole` has the steps by which places count. */
function shortened(turn: TurnState, whole: TurnState, [at, upTo]: readonly [number, Place], chars: number): TurnState {
  if (!isBefore([at, -1], upTo)) return turn;
  const index = new Map(whole.steps.map(({ id }, order) => [id, order]));
  return {
    ...turn,
    attachments: turn.attachments.flatMap((attachment) =>
      attachment.kind === 'image' ? [] : [{ ...attachment, text: shorter(attachment.text, chars) }],
    ),
    steps: turn.steps.map((step) =>
      isBefore([at, index.get(step.id) ?? 0], upTo) ? { ...step, results: shorterResults(step, chars) } : step,
    ),
  };
}

/** The same view with all its texts cut, for a call that could not hold them. */
export function shortenedView(view: PromptView, chars: number): PromptView {
  const end: Place = [Number.POSITIVE_INFINITY, 0];
  return { ...view, turns: view.turns.map((turn, at) => shortened(turn, turn, [at, end], chars)) };
}

function shorterResults({ results }: StepState, chars: number): Record<string, ToolResult> {
  const shortenedResult = ({ ok, text, details }: ToolResult): ToolResult => {
    const { images: _images, ...others } = details ?? {};
    return { ok, text: shorter(text, chars), details: others };
  };
  return Object.fromEntries(Object.entries(results).map(([id, result]) => [id, shortenedResult(result)]));
}

function shorter(text: string, chars: number): string {
  if (text.length <= Math.max(chars, 100)) return text;
  const note = '(Left out to save room. Read it again if you need it.)';
  return chars < 200 ? note : `${cut(text, chars)}\n${note}`;
}

/** The newest plan up to a place, unless it was carried out. */
function planBefore(branch: readonly TurnState[], place: Place): readonly PlanItem[] {
  const steps = branch.flatMap((turn, at) => turn.steps.filter((_, index) => isBefore([at, index], place)));
  const results = steps.flatMap((step) => Object.values(step.results));
  const plan = results.flatMap(({ details }) => (details?.plan ? [details.plan] : [])).at(-1) ?? [];
  return plan.every(({ status }) => status === 'done') ? [] : plan;
}

function leadOf(summary: string, plan: readonly PlanItem[]): string {
  const marks = { open: ' ', active: '>', done: 'x' } as const;
  return [
    `<summary>\n${cut(summary, leadChars).replaceAll('</summary', '<\\/summary')}\n</summary>`,
    'The beginning of this conversation no longer fits and was replaced by the summary above, which you wrote. The person still sees the whole. Files may have changed since: read again what you need exactly.',
    ...(plan.length > 0
      ? [`The plan:\n${plan.map(({ text, status }) => `[${marks[status]}] ${text}`).join('\n')}`]
      : []),
  ].join('\n\n');
}

type Parts = Pick<ContextParts, 'files' | 'results' | 'conversation'>;
const nothing: Parts = { files: 0, results: 0, conversation: 0 };
const sum = (list: readonly Parts[]): Parts =>
  list.reduce(
    (total, { files, results, conversation }) => ({
      files: total.files + files,
      results: total.results + results,
      conversation: total.conversation + conversation,
    }),
    nothing,
  );

function headParts(turn: TurnState): Parts {
  const files = turn.attachments.map((each) =>
    each.kind === 'image' ? contextImageTokens : estimateContextTokens(each.text.length),
  );
  const notes = (turn.notes ?? []).reduce((chars, { text }) => chars + text.length, 0);
  return {
    files: files.reduce((total, count) => total + count, estimateContextTokens(turn.map?.length ?? 0)),
    results: estimateContextTokens(notes),
    conversation: estimateContextTokens(turn.text.length),
  };
}

function resultTokens({ results }: StepState): number {
  return Object.values(results).reduce(
    (total, { text, details }) =>
      total + estimateContextTokens(text.length) + contextImageTokens * (details?.images?.length ?? 0),
    0,
  );
}

function stepParts(step: StepState, thinking: boolean): Parts {
  let said = 0;
  let used = 0;
  for (const { kind, text, opaque } of step.blocks) {
    const chars = text.length + (opaque === undefined ? 0 : JSON.stringify(opaque).length);
    if (kind === 'text') said += text.length;
    else if (kind !== 'thinking') used += chars;
    else if (thinking) said += chars;
  }
  return {
    files: 0,
    results: estimateContextTokens(used) + resultTokens(step),
    conversation: estimateContextTokens(said),
  };
}

/** Neighbouring parts of a view that are never torn apart, oldest first. */
export interface Unit {
  readonly parts: Parts;
  /** Where it ends; null where the conversation cannot be cut behind it. */
  readonly end: Boundary | null;
}

export function unitsOf({ turns }: PromptView): Unit[] {
  return turns.flatMap((turn, at) => {
    const isLast = at === turns.length - 1;
    const head = {
      parts: headParts(turn),
      end: turn.steps.length > 0 || isLast ? null : { turnId: turn.id, stepId: null },
    };
    const steps = turn.steps.map((step, index) => ({
      parts: stepParts(step, isLast),
      end: { turnId: turn.id, stepId: !isLast && index === turn.steps.length - 1 ? null : step.id },
    }));
    return [head, ...steps];
  });
}

/** Estimated tokens of a prompt, by the provider's own count where there is one. */
export function measure(view: PromptView, frame: PromptFrame): ContextParts {
  const own = sum(unitsOf(view).map(({ parts }) => parts));
  const estimate: ContextParts = {
    ...frameTokens(frame),
    ...own,
    conversation: own.conversation + estimateContextTokens(view.lead?.length ?? 0),
  };
  const counted = view.counted && view.counted.tokens + tokensAfter(view, view.counted.stepId);
  return counted === null ? estimate : scaled(estimate, counted);
}

/** What a prompt holds of itself before any conversation, in tokens. */
export function frameTokens({ system, rulesChars, tools }: PromptFrame) {
  const described = tools.map(({ name, description, inputSchema }) => [name, description, inputSchema]);
  return {
    system: estimateContextTokens(system.length - rulesChars),
    rules: estimateContextTokens(rulesChars),
    tools: tools.length === 0 ? 0 : estimateContextTokens(JSON.stringify(described).length),
  };
}

/** What came into the prompt after a step. */
function tokensAfter({ turns }: PromptView, stepId: string): number {
  const at = turns.findIndex(({ steps }) => steps.some(({ id }) => id === stepId));
  const turn = turns[at];
  const index = turn?.steps.findIndex(({ id }) => id === stepId) ?? -1;
  const step = turn?.steps[index];
  if (!turn || !step) return 0;
  const later = turns.slice(at + 1);
  const parts = sum([
    ...turn.steps.slice(index + 1).map((each) => stepParts(each, later.length === 0)),
    ...later.map(headParts),
    ...later.flatMap(({ steps }, order) => steps.map((each) => stepParts(each, order === later.length - 1))),
  ]);
  return resultTokens(step) + parts.files + parts.results + parts.conversation;
}

/** The same shares of another total. */
export function scaled(parts: ContextParts, total: number): ContextParts {
  const factor = total / Math.max(1, contextTokens(parts));
  const { system, rules, tools, files, results, conversation } = parts;
  const by = (count: number) => Math.round(count * factor);
  return {
    system: by(system),
    rules: by(rules),
    tools: by(tools),
    files: by(files),
    results: by(results),
    conversation: by(conversation),
  };
}

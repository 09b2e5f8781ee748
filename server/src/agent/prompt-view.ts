import type { Compaction } from '@devlm/protocol/compaction.ts';
import type { StepState, ToolResult, TurnState } from '@devlm/protocol/state.ts';
import type { PlanItem } from '@devlm/protocol/tools.ts';
import { cut } from '../actions/tool.ts';

/*
 * The part of a branch that the model is shown. It is folded from the log alone, so that a restart results in the same
 * prompt and the provider's cache of it is still valid.
 */

/** The end of a turn or of a step up to which a branch is left out or cut. */
export type Boundary = Compaction['upTo'];

/** A branch as the model sees it. */
export interface PromptView {
  /** Text before the first message that replaces the part that was left out; null if nothing was. */
  readonly lead: string | null;
  readonly turns: readonly TurnState[];
  /**
   * The newest step with a prompt size from the provider, if the prompt of this view continues the prompt of that step.
   */
  readonly counted: { readonly stepId: string; readonly tokens: number } | null;
}

/** Maximum length of a summary, and of the message of a turn that continues after it, in UTF-16 code units. */
const maxLeadChars = 24_000;

/** Position of a boundary, turn or step in a branch. */
type Place = readonly [turn: number, step: number];
/** Whether a position is at or before another one. */
const isBefore = (a: Place, b: Place) => a[0] < b[0] || (a[0] === b[0] && a[1] <= b[1]);

/** Returns the view of a branch. Parts that its compactions left out are missing, and texts that they cut are cut. */
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

/** Returns the position of a boundary; null if it is not in the branch. */
function placeOf(branch: readonly TurnState[], { turnId, stepId }: Boundary): Place | null {
  const turn = branch.findIndex(({ id }) => id === turnId);
  const step = stepId === null ? Number.POSITIVE_INFINITY : branch[turn]?.steps.findIndex(({ id }) => id === stepId);
  return turn < 0 || step === undefined || step < 0 ? null : [turn, step];
}

/** Returns the text that a compaction step wrote. */
export function summaryText(step: StepState): string {
  const texts = step.blocks.filter(({ kind }) => kind === 'text').map(({ text }) => text);
  return texts.join('\n\n').trim();
}

/** Returns a turn without the steps that are not part of the answer, and without the steps up to the index. */
function withoutHead(turn: TurnState, upTo: number): TurnState {
  const keeps = (step: StepState, index: number) => !step.purpose && index > upTo;
  if (turn.steps.every(keeps)) return turn;
  const keptBefore = (index: number) => turn.steps.slice(0, index).filter(keeps).length;
  const notes = turn.notes?.flatMap((note) => {
    if (note.step > upTo) return [{ ...note, step: keptBefore(note.step) }];
    // Rules apply to the whole turn.
    return note.kind === 'rules' ? [{ ...note, step: 0 }] : [];
  });
  const steps = turn.steps.filter(keeps);
  const rest = { ...turn, steps, ...(notes ? { notes } : {}) };
  // The user's message stays word for word, because the turn still works on it.
  return upTo < 0 ? rest : { ...rest, attachments: [], text: cut(turn.text, maxLeadChars) };
}

/**
 * Returns a turn with its texts cut where they are before a position.
 *
 * @param whole the turn with all its steps, which positions refer to
 */
function shortened(turn: TurnState, whole: TurnState, [at, upTo]: readonly [number, Place], chars: number): TurnState {
  if (!isBefore([at, -1], upTo)) return turn;
  const index = new Map(whole.steps.map(({ id }, order) => [id, order]));
  return {
    ...turn,
    attachments: turn.attachments.flatMap((attachment) =>
      attachment.kind === 'image' ? [] : [{ ...attachment, text: shortenText(attachment.text, chars) }],
    ),
    steps: turn.steps.map((step) =>
      isBefore([at, index.get(step.id) ?? 0], upTo) ? { ...step, results: shorterResults(step, chars) } : step,
    ),
  };
}

/**
 * Lengths to which the texts of a prompt are cut, in characters. They are tried one after the other until the prompt
 * fits.
 */
export const textSteps: readonly number[] = [20_000, 8_000, 2_000, 500, 0];

/** Returns a view with all its texts cut, for a call that the full texts would not fit into. */
export function shortenedView(view: PromptView, chars: number): PromptView {
  const end: Place = [Number.POSITIVE_INFINITY, 0];
  return { ...view, turns: view.turns.map((turn, at) => shortened(turn, turn, [at, end], chars)) };
}

function shorterResults({ results }: StepState, chars: number): Record<string, ToolResult> {
  const shortenResult = (result: ToolResult): ToolResult => {
    const { images: _images, ...details } = result.details ?? {};
    return { ...result, text: shortenText(result.text, chars), details };
  };
  return Object.fromEntries(Object.entries(results).map(([id, result]) => [id, shortenResult(result)]));
}

function shortenText(text: string, chars: number): string {
  if (text.length <= Math.max(chars, 100)) return text;
  const note = '(Omitted to save space. Read it again if you need it.)';
  return chars < 200 ? note : `${cut(text, chars)}\n${note}`;
}

/** Returns the newest plan before a position, or an empty one if that plan was completed. */
function planBefore(branch: readonly TurnState[], place: Place): readonly PlanItem[] {
  const steps = branch.flatMap((turn, at) => turn.steps.filter((_, index) => isBefore([at, index], place)));
  const results = steps.flatMap((step) => Object.values(step.results));
  const plan = results.flatMap(({ details }) => (details?.plan ? [details.plan] : [])).at(-1) ?? [];
  return plan.every(({ status }) => status === 'done') ? [] : plan;
}

function leadOf(summary: string, plan: readonly PlanItem[]): string {
  const marks = { open: ' ', active: '>', done: 'x' } as const;
  return [
    `<summary>\n${cut(summary, maxLeadChars).replaceAll('</summary', '<\\/summary')}\n</summary>`,
    'The beginning of this conversation no longer fits and was replaced by the summary above, which you wrote. The user still sees the whole conversation. Files may have changed since then: read again whatever you need exactly.',
    ...(plan.length > 0
      ? [`The plan:\n${plan.map(({ text, status }) => `[${marks[status]}] ${text}`).join('\n')}`]
      : []),
  ].join('\n\n');
}

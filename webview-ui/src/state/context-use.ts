import { type ContextParts, contextTokens } from '@devlm/protocol/compaction.ts';
import type { Usage } from '@devlm/protocol/events.ts';
import type { CacheBreak } from '@devlm/protocol/prompt-cache.ts';
import type { StepState, TurnState } from '@devlm/protocol/state.ts';
import { computed } from '@preact/signals';
import { model, models } from './app.ts';
import { shownTurns } from './conversation.ts';
import { inputTokensOf } from './input-tokens.ts';

/** The use of the model's context window by the current conversation. */
export interface ContextUse {
  readonly tokens: number;
  /** Null if the server did not report the parts. */
  readonly parts: ContextParts | null;
  /** Size of the context window in tokens. Null if the provider does not report it. */
  readonly size: number | null;
}

/** The context use after the latest step: the provider's total, divided according to the server's estimate. */
export const contextUse = computed<ContextUse | null>(() => {
  const latest = newestUse(shownTurns.value);
  if (!latest) return null;
  const info = model.value ?? models.value?.list.find(({ id }) => id === latest.model);
  return { tokens: latest.tokens, parts: latest.parts, size: info?.contextTokens ?? null };
});

/** The latest step in the current conversation that could not read the prompt from the cache. */
export const lastCacheBreak = computed<CacheBreak | null>(() => {
  const steps = shownTurns.value.flatMap((turn) => turn.steps);
  return steps.findLast(({ cacheBreak }) => cacheBreak)?.cacheBreak ?? null;
});

interface LatestUse extends Pick<ContextUse, 'tokens' | 'parts'> {
  readonly model: string;
}

function newestUse(turns: readonly TurnState[]): LatestUse | null {
  for (const { steps } of turns.toReversed()) {
    for (const step of steps.toReversed()) {
      const use = useOf(step);
      if (use) return { ...use, model: step.model };
    }
  }
  return null;
}

function useOf({ compaction, purpose, usage, context }: StepState): Pick<ContextUse, 'tokens' | 'parts'> | null {
  if (compaction) return { tokens: contextTokens(compaction.context), parts: compaction.context };
  if (purpose) return null;
  if (!usage) return context ? { tokens: contextTokens(context), parts: context } : null;
  const tokens = inputTokensOf(usage) + usage.outputTokens;
  return { tokens, parts: context ? scaleParts(context, usage) : null };
}

/** Scales the estimated parts to the counted total. The answer counts as conversation. */
function scaleParts(context: ContextParts, usage: Usage): ContextParts {
  const factor = inputTokensOf(usage) / Math.max(1, contextTokens(context));
  const scaled = (count: number) => Math.round(count * factor);
  const { system, rules, tools, files, results, conversation } = context;
  return {
    system: scaled(system),
    rules: scaled(rules),
    tools: scaled(tools),
    files: scaled(files),
    results: scaled(results),
    conversation: scaled(conversation) + usage.outputTokens,
  };
}

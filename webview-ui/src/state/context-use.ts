import { type ContextParts, contextTokens } from '@devlm/protocol/compaction.ts';
import type { Usage } from '@devlm/protocol/events.ts';
import type { CacheBreak } from '@devlm/protocol/prompt-cache.ts';
import type { StepState, TurnState } from '@devlm/protocol/state.ts';
import { computed } from '@preact/signals';
import { model, models } from './app.ts';
import { shownTurns } from './conversation.ts';

/** What fills the model's window with the open conversation. */
export interface ContextUse {
  readonly tokens: number;
  /** Null where the server that made the conversation did not say. */
  readonly parts: ContextParts | null;
  /** Of the window; null where the provider does not say. */
  readonly size: number | null;
}

/** As the newest step left it: the provider's own count, spread as the server estimated. */
export const contextUse = computed<ContextUse | null>(() => {
  const found = newestUse(shownTurns.value);
  if (!found) return null;
  const info = model.value ?? models.value?.list.find(({ id }) => id === found.model);
  return { tokens: found.tokens, parts: found.parts, size: info?.contextTokens ?? null };
});

/** The newest time that the provider had to read the open conversation anew. */
export const lastCacheBreak = computed<CacheBreak | null>(() => {
  const steps = shownTurns.value.flatMap((turn) => turn.steps);
  return steps.findLast(({ cacheBreak }) => cacheBreak)?.cacheBreak ?? null;
});

interface Found extends Pick<ContextUse, 'tokens' | 'parts'> {
  readonly model: string;
}

function newestUse(turns: readonly TurnState[]): Found | null {
  for (const { steps } of turns.toReversed()) {
    for (const step of steps.toReversed()) {
      const found = useOf(step);
      if (found) return { ...found, model: step.model };
    }
  }
  return null;
}

function useOf({ compaction, purpose, usage, context }: StepState): Pick<ContextUse, 'tokens' | 'parts'> | null {
  if (compaction) return { tokens: contextTokens(compaction.context), parts: compaction.context };
  if (purpose) return null;
  if (!usage) return context ? { tokens: contextTokens(context), parts: context } : null;
  const tokens = inputOf(usage) + usage.outputTokens;
  return { tokens, parts: context ? spread(context, usage) : null };
}

const inputOf = ({ inputTokens, cacheReadTokens, cacheWriteTokens }: Usage) =>
  inputTokens + cacheReadTokens + cacheWriteTokens;

/** The estimated shares of what was really counted; the answer has become part of the conversation. */
function spread(context: ContextParts, usage: Usage): ContextParts {
  const factor = inputOf(usage) / Math.max(1, contextTokens(context));
  const by = (count: number) => Math.round(count * factor);
  const { system, rules, tools, files, results, conversation } = context;
  return {
    system: by(system),
    rules: by(rules),
    tools: by(tools),
    files: by(files),
    results: by(results),
    conversation: by(conversation) + usage.outputTokens,
  };
}

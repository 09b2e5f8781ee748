import type { CacheBreak } from '@devlm/protocol/prompt-cache.ts';
import { tokens } from '../format.ts';
import { t } from '../l10n.ts';

/** Describes why a prompt was not read from the cache, and how many tokens that concerns. */
export function cacheBreakWords({ cause, tools = [], tokens: count }: CacheBreak): string {
  const why: Record<CacheBreak['cause'], string> = {
    model: t('a different model was used'),
    tools: tools.length > 0 ? t('the tools changed ({0})', tools.join(', ')) : t('the tools changed'),
    system: t('the system prompt or the rules changed'),
    thinking: t('the thinking in the previous answer is not sent again'),
    earlier: t('an earlier part of the conversation changed'),
    time: t('more than five minutes had passed'),
    provider: t('the provider no longer had them in its cache'),
  };
  return t(
    '{0} tokens were charged again instead of being read from the cache, because {1}.',
    tokens(count),
    why[cause],
  );
}

import type { CacheBreak } from '@devlm/protocol/prompt-cache.ts';
import { tokens } from '../format.ts';
import { t } from '../l10n.ts';

/** Describes why a prompt was not read from the cache, and how many tokens that concerns. */
export function cacheBreakWords({ cause, tools = [], tokens: count }: CacheBreak): string {
  const why: Record<CacheBreak['cause'], string> = {
    model: t('another model answered'),
    tools: tools.length > 0 ? t('its tools changed ({0})', tools.join(', ')) : t('its tools changed'),
    system: t('the system prompt or the rules changed'),
    thinking: t('thinking of the answer before is not sent again'),
    earlier: t('something earlier in the conversation changed'),
    time: t('more than five minutes had passed'),
    provider: t('the provider no longer had it'),
  };
  return t('{0} tokens were paid for again instead of being read from the cache: {1}.', tokens(count), why[cause]);
}

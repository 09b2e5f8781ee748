import type { ModelInfo } from '@anthropic-ai/sdk/resources/models';

/**
 * A model of the stand-in. The figures resemble the published ones but serve tests only: never take a price or a limit
 * from here.
 */
export interface StandInModel {
  readonly info: ModelInfo;
  /** Other ids of this model. */
  readonly aliases: readonly string[];
  /** Minimum length of a prompt prefix that is cached, in tokens. */
  readonly cacheMinTokens: number;
  /** Display of thinking for a request that does not specify it. */
  readonly thinkingDisplay: 'summarized' | 'omitted';
  /** Whether the conversation may end with the beginning of the answer (prefill). */
  readonly prefill: boolean;
}

type ThinkingKind = 'adaptive' | 'both' | 'budget' | 'none';

interface Sketch {
  readonly id: string;
  readonly name: string;
  readonly created: string;
  readonly line: ModelInfo['line'];
  readonly aliases?: readonly string[];
  readonly input?: number;
  readonly output?: number;
  readonly thinking?: ThinkingKind;
  readonly cacheMinTokens?: number;
  readonly lifecycle?: ModelInfo['lifecycle'];
  readonly deprecated?: string;
  readonly retires?: string;
}

/** Makes a model from the few facts that differ between models. */
export function model(sketch: Sketch): StandInModel {
  const thinking = sketch.thinking ?? 'adaptive';
  const adaptive = thinking === 'adaptive' || thinking === 'both';
  const yes = { supported: true };
  const is = (supported: boolean) => ({ supported });
  return {
    aliases: sketch.aliases ?? [],
    cacheMinTokens: sketch.cacheMinTokens ?? 1024,
    thinkingDisplay: thinking === 'adaptive' ? 'omitted' : 'summarized',
    prefill: thinking !== 'adaptive',
    info: {
      type: 'model',
      id: sketch.id,
      display_name: sketch.name,
      created_at: `${sketch.created}T00:00:00Z`,
      lifecycle: sketch.lifecycle ?? 'active',
      deprecated_at: sketch.deprecated ? `${sketch.deprecated}T00:00:00Z` : null,
      retires_at: sketch.retires ? `${sketch.retires}T00:00:00Z` : null,
      line: sketch.line,
      max_input_tokens: sketch.input ?? 1_000_000,
      max_tokens: sketch.output ?? 128_000,
      capabilities: {
        batch: yes,
        citations: yes,
        code_execution: yes,
        context_management: {
          supported: true,
          clear_thinking_20251015: yes,
          clear_tool_uses_20250919: yes,
          compact_20260112: is(adaptive),
        },
        effort: { supported: adaptive, low: yes, medium: yes, high: yes, max: is(adaptive), xhigh: is(adaptive) },
        image_input: yes,
        pdf_input: yes,
        server_tools: { supported: true, code_execution: yes, web_search: yes },
        structured_outputs: yes,
        thinking: {
          supported: thinking !== 'none',
          types: {
            adaptive: is(adaptive),
            between_tools: is(thinking === 'adaptive'),
            disabled: yes,
            enabled: is(thinking === 'both' || thinking === 'budget'),
          },
        },
      },
    },
  };
}

/** The models, newest first as in the API. One is deprecated and one is retired, to test model pickers. */
export const defaultModels: readonly StandInModel[] = [
  model({ id: 'claude-opus-5-5', name: 'Claude Opus 5.5', created: '2026-09-15', line: 'opus' }),
  model({ id: 'claude-sonnet-5-5', name: 'Claude Sonnet 5.5', created: '2026-09-02', line: 'sonnet' }),
  model({ id: 'claude-haiku-5-5', name: 'Claude Haiku 5.5', created: '2026-08-20', line: 'haiku', output: 64_000 }),
  model({ id: 'claude-opus-4-8', name: 'Claude Opus 4.8', created: '2026-05-20', line: 'opus' }),
  model({
    id: 'claude-sonnet-4-6',
    name: 'Claude Sonnet 4.6',
    created: '2026-02-17',
    line: 'sonnet',
    thinking: 'both',
    output: 64_000,
  }),
  model({
    id: 'claude-haiku-4-5-20251001',
    aliases: ['claude-haiku-4-5'],
    name: 'Claude Haiku 4.5',
    created: '2025-10-15',
    line: 'haiku',
    thinking: 'budget',
    input: 200_000,
    output: 64_000,
    cacheMinTokens: 4096,
  }),
  model({
    id: 'claude-sonnet-4-5-20250929',
    aliases: ['claude-sonnet-4-5'],
    name: 'Claude Sonnet 4.5',
    created: '2025-09-29',
    line: 'sonnet',
    thinking: 'budget',
    input: 200_000,
    output: 64_000,
    lifecycle: 'deprecated',
    deprecated: '2026-05-30',
    retires: '2026-11-30',
  }),
  model({
    id: 'claude-3-opus-20240229',
    name: 'Claude Opus 3',
    created: '2024-02-29',
    line: 'opus',
    thinking: 'none',
    input: 200_000,
    output: 4096,
    lifecycle: 'retired',
    deprecated: '2025-06-30',
    retires: '2026-01-05',
  }),
];

/** Returns the model with an id or alias, or undefined. */
export function findModel(models: readonly StandInModel[], id: string): StandInModel | undefined {
  return models.find((each) => each.info.id === id || each.aliases.includes(id));
}

/** A page of the list of models. */
export interface ModelPage {
  readonly data: readonly ModelInfo[];
  readonly has_more: boolean;
  readonly first_id: string | null;
  readonly last_id: string | null;
}

/** Returns one page of `GET /v1/models`, or a string that says what is wrong with the query. */
export function modelPage(models: readonly StandInModel[], query: URLSearchParams): ModelPage | string {
  const limit = Number(query.get('limit') ?? 20);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) return 'limit: Input should be between 1 and 1000';
  const wanted = [...query.getAll('lifecycle'), ...query.getAll('lifecycle[]')];
  const stages = wanted.length > 0 ? wanted : ['active', 'deprecated'];
  const infos = models.map((each) => each.info).filter((info) => stages.includes(info.lifecycle));
  const after = query.get('after_id');
  const before = query.get('before_id');
  const place = (id: string) => infos.findIndex((info) => info.id === id);
  if (after !== null && place(after) < 0) return `after_id: no such model: ${after}`;
  if (before !== null && place(before) < 0) return `before_id: no such model: ${before}`;

  const end = before === null ? infos.length : place(before);
  const begin = after === null ? 0 : place(after) + 1;
  // Going backwards, the page is the `limit` models right before the cursor.
  const from = before !== null && after === null ? Math.max(0, end - limit) : begin;
  const data = infos.slice(from, Math.min(end, from + limit));
  const more = before !== null && after === null ? from > 0 : from + data.length < end;
  return { data, has_more: more, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
}

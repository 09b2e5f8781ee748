import type { ModelInfo } from '@devlm/protocol/views.ts';

/** The provider's own value for an unknown release date. */
const unknownRelease = '1970-01-01T00:00:00Z';

/** Returns a model in the format of the Messages API. */
export function listedModel({ id, name, contextTokens, maxOutputTokens }: ModelInfo) {
  return {
    type: 'model',
    id,
    display_name: name,
    created_at: unknownRelease,
    ...(contextTokens === null ? {} : { max_input_tokens: contextTokens }),
    ...(maxOutputTokens === null ? {} : { max_tokens: maxOutputTokens }),
  };
}

/** A model in a response of `/v1/models`. */
export type ListedModel = ReturnType<typeof listedModel>;

/**
 * Returns the response of `/v1/models`, in one page, or of `/v1/models/ID`; undefined if there is no such model.
 *
 * @param path path at the provider, with its query
 */
export function modelAnswer(path: string, models: readonly ListedModel[]): object | undefined {
  const [, id] = /^\/v1\/models\/([^?]+)/.exec(path) ?? [];
  if (id !== undefined) return models.find((model) => model.id === id);
  return { data: models, has_more: false, first_id: models[0]?.id ?? null, last_id: models.at(-1)?.id ?? null };
}

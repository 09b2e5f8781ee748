import type { ServerResponse } from 'node:http';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import { listedModel, modelAnswer } from '../../llm/model-page.ts';
import type { Aliases } from '../../llm/pool/aliases.ts';
import { Refused } from './refusal.ts';

/**
 * Answers `/v1/models` and `/v1/models/ID` where there are several instances, none of which knows what the others have:
 * what any of them lists, and the aliases that stand for one of those. Shaped as the provider's own list, in one page.
 * @param path of the provider, with its query
 * @throws Refused 404
 */
export function answerModels(
  response: ServerResponse,
  path: string,
  listed: readonly ModelInfo[],
  aliases: Aliases,
  requestId: string,
): void {
  const models = new Map(listed.map((model) => [model.id, listedModel(model)]));
  for (const [alias, names] of Object.entries(aliases)) {
    const stands = listed.find(({ id }) => names.includes(id));
    if (stands) models.set(alias, listedModel({ ...stands, id: alias, name: `${alias}: ${stands.name}` }));
  }
  const answer = modelAnswer(path, [...models.values()]);
  if (!answer) throw new Refused(404, `model: ${path.replace(/^.*\//, '').replace(/\?.*$/, '')}`);
  const body = JSON.stringify(answer);
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'request-id': requestId,
  });
  response.end(body);
}

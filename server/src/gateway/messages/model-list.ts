import type { ServerResponse } from 'node:http';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import { listedModel, modelAnswer } from '../../llm/model-page.ts';
import type { Aliases } from '../../llm/pool/aliases.ts';
import { Refused } from './refusal.ts';

/**
 * Responds to `/v1/models` and `/v1/models/ID` when there are several instances, none of which knows the models of the
 * others. The list has the models of all instances and the aliases for them, in the provider's format, on one page.
 * @param path the provider's path, including the query string
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
    const target = listed.find(({ id }) => names.includes(id));
    if (target) models.set(alias, listedModel({ ...target, id: alias, name: `${alias}: ${target.name}` }));
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

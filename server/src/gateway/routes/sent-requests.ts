import * as z from 'zod';
import type { SentRequests } from '../../agent/sent-requests.ts';
import type { ModelRequest } from '../../llm/model.ts';
import { httpProblem } from '../problems.ts';
import type { HandlersOf } from './handler.ts';

/** Returns the handlers of the routes that show developers what was sent to the model. */
export function sentRequestHandlers(sent: SentRequests): HandlersOf<'sentRequests'> {
  return {
    'sentRequests.list': async ({ params }) => ({ requests: sent.list(params.conversationId, params.turnId) }),
    'sentRequests.get': async ({ params }) => {
      const found = sent.get(params.conversationId, params.turnId, params.stepId);
      if (!found)
        throw httpProblem(
          'not_found',
          'The server no longer has this request. It keeps only the newest requests, until it is restarted.',
        );
      return { ...found.info, request: toJson(found.request) };
    },
  };
}

const JsonObject = z.record(z.string(), z.json());

/** Returns a request as JSON. Of a tool, only the parts that the model receives are kept. */
function toJson(request: ModelRequest): z.infer<typeof JsonObject> {
  const tools = request.tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));
  return JsonObject.parse(withoutBytes({ ...request, tools }));
}

/** Returns a value with each run of bytes replaced by its length, and without fields that are undefined. */
function withoutBytes(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: value.length };
  if (Array.isArray(value)) return value.map(withoutBytes);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([name, field]) => [name, withoutBytes(field)]));
}

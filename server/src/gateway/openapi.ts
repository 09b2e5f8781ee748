import { EditorAnswer, EditorHello, EditorRequest } from '@devlm/protocol/editor.ts';
import { errorCodes } from '@devlm/protocol/error-codes.ts';
import { ReceivedEvent } from '@devlm/protocol/events.ts';
import {
  Execution,
  ExecutionEvent,
  ExecutionRecord,
  ExecutionRequest,
  SandboxStatus,
  Snippet,
} from '@devlm/protocol/execution.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { Problem } from '@devlm/protocol/problem.ts';
import { type RouteName, type RouteShape, routes } from '@devlm/protocol/routes.ts';
import { TokenInfo } from '@devlm/protocol/tokens.ts';
import {
  ConversationSnapshot,
  ConversationSummary,
  ModelInfo,
  ServerInfo,
  ServerNotice,
  TurnPage,
  UsageTotal,
} from '@devlm/protocol/views.ts';
import * as z from 'zod';

/*
 * The OpenAPI 3.1 document of the routes, generated from the route table and schemas that the gateway uses:
 * https://spec.openapis.org/oas/v3.1.1.html
 */

/** Path of the OpenAPI document. Every token gives access to it, whatever its scopes. */
export const openApiPath = '/openapi.json';

/** Schemas that the document defines once, by name. */
const named: Readonly<Record<string, z.ZodType>> = {
  ConversationSnapshot,
  ConversationSummary,
  EditorAnswer,
  EditorHello,
  EditorRequest,
  Event: ReceivedEvent,
  Execution,
  ExecutionEvent,
  ExecutionRecord,
  ExecutionRequest,
  ModelInfo,
  Problem,
  SandboxStatus,
  ServerInfo,
  ServerNotice,
  Snippet,
  TokenInfo,
  TurnPage,
  UsageTotal,
};

type Json = z.core.JSONSchema.JSONSchema;

/** Name that zod gives to a recursive schema without a name. The only one is `z.json()`. */
const unnamedSchema = /^__schema\d+$/;

/** Converts schemas to JSON Schema and collects the named ones among them. */
class Components {
  readonly schemas: Record<string, Json> = { Json: { description: 'Any JSON value.' } };
  readonly #registry = z.registry<{ id: string }>();

  constructor() {
    for (const [id, schema] of Object.entries(named)) this.#registry.add(schema, { id });
  }

  /** Converts a schema. @param io `input` for what clients send; `output` for what they receive */
  of(schema: z.ZodType, io: 'input' | 'output'): Json {
    const options = { target: 'draft-2020-12', unrepresentable: 'any', metadata: this.#registry, io } as const;
    const { $schema: _schema, $defs = {}, ...own } = withDocumentRefs(z.toJSONSchema(schema, options));
    for (const [name, definition] of Object.entries($defs)) {
      if (!unnamedSchema.test(name)) this.schemas[name] = withoutId(definition);
      else if (!JSON.stringify(definition).includes('"type":"null"')) throw new Error(`${name} is recursive: name it`);
    }
    const { id } = this.#registry.get(schema) ?? {};
    if (id === undefined) return own;
    // Zod returns a named schema either in full or as a reference to itself among the definitions.
    if (!own.$ref) this.schemas[id] = withoutId(own);
    return { $ref: `#/components/schemas/${id}` };
  }
}

function withoutId({ id: _id, ...rest }: Json): Json {
  return rest;
}

/** Rewrites references into the schema as references into the document. */
function withDocumentRefs(schema: Json): Json {
  const text = JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/');
  return JSON.parse(text.replaceAll(/#\/components\/schemas\/__schema\d+/g, '#/components/schemas/Json'));
}

/** Returns the OpenAPI document. @param version version of DevLM */
export function openApi(version: string): object {
  const components = new Components();
  const paths: Record<string, Record<string, object>> = {};
  for (const name of Object.keys(routes) as RouteName[]) {
    const route: RouteShape = routes[name];
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(name, route, components) };
  }
  const problem = { 'application/problem+json': { schema: components.of(Problem, 'output') } };
  return {
    openapi: '3.1.1',
    info: {
      title: 'DevLM',
      version,
      description:
        'The API of the companion server. Errors are problem details (RFC 9457) with a stable `code`; `x-error-codes` of the response `Problem` lists the codes. Below `/llm`, errors have the format of the Messages API.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }, { key: [] }],
    tags: [...new Set(Object.values(routes).map(tagOf)), 'llm'].map((tag) => ({ name: tag })),
    paths: { ...paths, ...messagesPaths },
    components: {
      schemas: components.schemas,
      responses: {
        Problem: { description: 'The request was rejected or failed.', content: problem, 'x-error-codes': errorCodes },
      },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        key: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
  };
}

function tagOf({ path }: Pick<RouteShape, 'path'>): string {
  return path.split('/', 2)[1] ?? '';
}

function operation(name: RouteName, route: RouteShape, components: Components): object {
  const { params, query, body, response, stream, event, csv } = route;
  const parameters = [...parametersOf(params, 'path', components), ...parametersOf(query, 'query', components)];
  const answer = components.of(response, 'output');
  const streamed = stream ? answer : event && components.of(event, 'output');
  const content = {
    ...(stream ? {} : { 'application/json': { schema: answer } }),
    ...(streamed ? { 'text/event-stream': { schema: streamed } } : {}),
    ...(csv ? { 'text/csv': { schema: { type: 'string' } } } : {}),
  };
  const empty = response.safeParse(undefined).success;
  return {
    operationId: name,
    tags: [tagOf(route)],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body
      ? { requestBody: { required: true, content: { 'application/json': { schema: components.of(body, 'input') } } } }
      : {}),
    responses: {
      ...(empty ? { 204: { description: 'Done.' } } : { 200: { description: described(route), content } }),
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}

function described({ stream, event }: RouteShape): string {
  if (stream) return 'An event stream. The data of each event matches this schema.';
  return event ? 'The response; an event stream if the client accepts `text/event-stream`.' : 'The response.';
}

function parametersOf(schema: z.ZodType | undefined, where: 'path' | 'query', components: Components): object[] {
  if (!(schema instanceof z.ZodObject)) return [];
  return Object.entries(schema.shape).map(([name, part]) => ({
    name,
    in: where,
    required: where === 'path' || !z.safeParse(part, undefined).success,
    // Parameters are sent as text; the output type of the schema describes their meaning.
    schema: components.of(part as z.ZodType, 'output'),
  }));
}

const anything = { type: 'object' } as const;
const providers = {
  description: 'The response of the Messages API.',
  content: { 'application/json': { schema: anything }, 'text/event-stream': { schema: { type: 'string' } } },
} as const;
const providersError = {
  description: 'An error in the format of the Messages API.',
  content: { 'application/json': { schema: anything } },
};
const messageBody = {
  required: true,
  description: `The request of the Messages API, forwarded unchanged. Maximum size: ${limits.messagesBodyBytes / 2 ** 20} MB.`,
  content: { 'application/json': { schema: anything } },
};
const messages = { tags: ['llm'], externalDocs: { url: 'https://platform.claude.com/docs/en/api/messages' } };
const answers = { responses: { 200: providers, default: providersError } };

/** Paths of the Messages API. Their bodies are not described here: the provider's documentation does that. */
const messagesPaths = {
  '/llm/v1/messages': {
    post: { operationId: 'llm.messages', ...messages, requestBody: messageBody, ...answers },
  },
  '/llm/v1/messages/count_tokens': {
    post: { operationId: 'llm.count_tokens', ...messages, requestBody: messageBody, ...answers },
  },
  '/llm/v1/models': { get: { operationId: 'llm.models', ...messages, ...answers } },
  '/llm/v1/models/{model}': {
    get: {
      operationId: 'llm.model',
      ...messages,
      parameters: [{ name: 'model', in: 'path', required: true, schema: { type: 'string' } }],
      ...answers,
    },
  },
};

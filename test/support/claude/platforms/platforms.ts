import type { IncomingMessage } from 'node:http';
import type { HttpReply } from '../answer.ts';
import { httpError } from '../faults.ts';
import { parseBody } from '../http.ts';
import { type ApiVersion, apiVersions } from '../request.ts';
import { messagesPath } from '../scenario.ts';
import { eventStreamMessage } from './event-stream.ts';
import { type GoogleKey, isBearer } from './google.ts';
import { type AwsKey, signatureProblem } from './sigv4.ts';

/*
 * Claude on Amazon Bedrock and Google Vertex AI: the same messages in another envelope. The calls are converted to
 * calls of the Messages API for the rest of the stand-in, and its answers are converted back.
 */

/** Credentials that the platforms accept. */
export interface PlatformKeys {
  readonly aws?: AwsKey;
  /** API key of Bedrock. */
  readonly bedrockKey?: string;
  readonly google?: GoogleKey;
}

/** A call of a platform, converted to the Messages API. */
export interface PlatformCall {
  /** Path of the Messages API. */
  readonly path: string;
  /** Body with `model` and `stream` added. */
  readonly body: unknown;
  /** Version of the Messages API. Undefined if the platform does not have the requested one. */
  readonly version: ApiVersion | undefined;
  /** Error response if the credentials of the call are invalid. */
  readonly refused: HttpReply | undefined;
  /** Content type of a stream. */
  readonly contentType: string;
  /** Encodes a server-sent event for the wire of the platform. */
  readonly encode: (event: string) => string | Uint8Array;
  /** Converts a response that is not a stream to the platform's format. */
  readonly shape: (reply: HttpReply, requestId: string) => HttpReply;
}

/** Returns whether a path requests a message at Anthropic, Bedrock or Vertex. */
export const isMessagePath = (path: string): boolean =>
  path === messagesPath ||
  path === `/anthropic${messagesPath}` ||
  /^\/model\/[^/]+\/invoke/.test(path) ||
  (/:(r|streamR)awPredict$/.test(path) && !isCount(path));
const isCount = (path: string) => path.endsWith('/count-tokens:rawPredict');

/** Converts a request of one of the platforms. Returns undefined for any other request. */
export function platformCall(request: IncomingMessage, raw: Buffer, keys: PlatformKeys): PlatformCall | undefined {
  const { pathname } = new URL(request.url ?? '', 'http://stand-in');
  const invoke = /^\/model\/([^/]+)\/invoke(-with-response-stream)?$/.exec(pathname);
  if (invoke?.[1]) return bedrockCall(request, raw, keys, decodeURIComponent(invoke[1]), invoke[2] !== undefined);
  const mantle = /^\/anthropic(\/v1\/messages(?:\/count_tokens)?)$/.exec(pathname);
  if (mantle?.[1]) return mantleCall(request, raw, keys, mantle[1]);
  const predict =
    /^\/v1\/projects\/([^/]+)\/locations\/[^/]+\/publishers\/anthropic\/models\/([^/]+):(r|streamR)awPredict$/.exec(
      pathname,
    );
  if (predict?.[1] && predict[2])
    return vertexCall(request, raw, keys, predict[1], decodeURIComponent(predict[2]), predict[3] === 'streamR');
  return undefined;
}

/** Removes the fields of the envelope, which Anthropic's own API does not know. */
function messageOf(
  raw: Buffer,
  more: object,
  versions: Readonly<Record<string, ApiVersion>>,
): Pick<PlatformCall, 'body' | 'version'> {
  const parsed = parseBody(raw.toString());
  if (typeof parsed !== 'object' || parsed === null) return { body: parsed, version: undefined };
  const { anthropic_version: version, anthropic_beta: _betas, ...body } = parsed as Record<string, unknown>;
  return { body: { ...body, ...more }, version: versions[String(version)] };
}

/** Returns the error response of AWS to invalid credentials. */
function stranger(
  request: IncomingMessage,
  raw: Buffer,
  { aws, bedrockKey }: PlatformKeys,
  service: 'bedrock' | 'bedrock-mantle',
): HttpReply | undefined {
  const bearer = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (bearer !== undefined && bearer === bedrockKey) return undefined;
  const problem = aws ? signatureProblem(request, raw, aws, service) : 'Authentication failed';
  return problem === undefined ? undefined : httpError(403, { message: problem });
}

/** Converts a call to Bedrock's endpoint for the Messages API, where only model names and signatures differ. */
function mantleCall(request: IncomingMessage, raw: Buffer, keys: PlatformKeys, path: string): PlatformCall {
  const body = parseBody(raw.toString());
  const asked = request.headers['anthropic-version'];
  return {
    path,
    body: withModel(body, (model) => /^anthropic\.(.*)$/.exec(model)?.[1] ?? `no ${model}`),
    version: apiVersions.find((version) => version === asked),
    refused: stranger(request, raw, keys, 'bedrock-mantle'),
    contentType: 'text/event-stream; charset=utf-8',
    encode: (event) => event,
    shape: (reply) => reply,
  };
}

function withModel(body: unknown, nameOf: (model: string) => string): unknown {
  if (typeof body !== 'object' || body === null || !('model' in body)) return body;
  return { ...body, model: nameOf(String(body.model)) };
}

function bedrockCall(
  request: IncomingMessage,
  raw: Buffer,
  keys: PlatformKeys,
  model: string,
  stream: boolean,
): PlatformCall {
  // Such as `us.anthropic.claude-sonnet-5-5-v1:0`. Any other form is not a model of Bedrock.
  const name = /^(?:[a-z]+\.)?anthropic\.(.*?)-v\d+(?::\d+)?$/.exec(model)?.[1] ?? `no ${model}`;
  return {
    path: messagesPath,
    ...messageOf(raw, { model: name, stream }, { 'bedrock-2023-05-31': '2023-06-01' }),
    refused: stranger(request, raw, keys, 'bedrock'),
    contentType: 'application/vnd.amazon.eventstream',
    encode: bedrockFrame,
    shape: (reply, requestId) => bedrockReply(reply, requestId),
  };
}

/** Exceptions in Bedrock's streams, by Anthropic's error types. */
const exceptions: Readonly<Record<string, string>> = {
  rate_limit_error: 'throttlingException',
  overloaded_error: 'serviceUnavailableException',
  invalid_request_error: 'validationException',
};

function bedrockFrame(event: string): Uint8Array {
  const [, name = '', data = ''] = /^event: (.*)\ndata: (.*)\n\n$/.exec(event) ?? [];
  if (name === 'error') {
    const { type, message } = JSON.parse(data).error;
    const headers = { ':exception-type': exceptions[type] ?? 'internalServerException' };
    const rest = { ':content-type': 'application/json', ':message-type': 'exception' };
    return eventStreamMessage({ ...headers, ...rest }, JSON.stringify({ message }));
  }
  const headers = { ':event-type': 'chunk', ':content-type': 'application/json', ':message-type': 'event' };
  // `p` is padding, which hides the length of the answer.
  return eventStreamMessage(headers, JSON.stringify({ bytes: Buffer.from(data).toString('base64'), p: 'abcdef' }));
}

const bedrockErrors: Readonly<Record<number, string>> = {
  400: 'ValidationException',
  403: 'AccessDeniedException',
  429: 'ThrottlingException',
  503: 'ServiceUnavailableException',
};

function bedrockReply(reply: HttpReply, requestId: string): HttpReply {
  const retryAfter = reply.headers?.['retry-after'];
  const headers = { 'x-amzn-requestid': requestId, ...(retryAfter ? { 'retry-after': retryAfter } : {}) };
  const message = errorMessage(reply);
  if (message === undefined) return { ...reply, headers };
  const status = reply.status === 404 ? 400 : reply.status;
  const type = bedrockErrors[status] ?? 'InternalServerException';
  const said = reply.status === 404 ? 'The provided model identifier is invalid.' : message;
  return { ...reply, status, headers: { ...headers, 'x-amzn-errortype': type }, body: { message: said } };
}

const vertexVersions = { 'vertex-2023-10-16': '2023-06-01', '2026-10-21': '2026-10-21' } as const;

function vertexCall(
  request: IncomingMessage,
  raw: Buffer,
  { google }: PlatformKeys,
  projectId: string,
  model: string,
  stream: boolean,
): PlatformCall {
  const count = model === 'count-tokens';
  const allowed = google?.projectId === projectId && isBearer(request.headers.authorization, google);
  const { body, version } = messageOf(raw, count ? {} : { model, stream }, vertexVersions);
  return {
    path: count ? `${messagesPath}/count_tokens` : messagesPath,
    // Such as `claude-haiku-4-5@20251001` and `claude-sonnet-5-5@default`.
    body: withModel(body, (name) => name.replace('@default', '').replace('@', '-')),
    version,
    refused: allowed ? undefined : httpError(403, { message: "Permission 'aiplatform.endpoints.predict' denied." }),
    contentType: 'text/event-stream; charset=utf-8',
    encode: (event) => event,
    shape: vertexReply,
  };
}

/** Errors that Google words itself, because they do not come from the model. */
function vertexReply(reply: HttpReply): HttpReply {
  const message = errorMessage(reply);
  const status = { 403: 'PERMISSION_DENIED', 404: 'NOT_FOUND', 429: 'RESOURCE_EXHAUSTED' }[reply.status];
  if (message === undefined || status === undefined) return reply;
  return { ...reply, body: [{ error: { code: reply.status, message, status } }] };
}

function errorMessage({ body }: HttpReply): string | undefined {
  if (typeof body === 'string' || !('error' in body)) return undefined;
  return (body.error as { message?: string }).message ?? '';
}

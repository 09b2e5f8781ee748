import { APIConnectionError, APIError, type BaseAnthropic } from '@anthropic-ai/sdk';
import { providerNames } from '@devlm/protocol/instances.ts';
import { within } from '../../within.ts';
import { errorBody } from '../error-body.ts';
import { listedModel, modelAnswer } from '../model-page.ts';
import type { MessagesFetch } from '../upstream.ts';
import type { PlatformInstance } from './platform.ts';
import { CredentialsError, refusalOf } from './refusals.ts';

/** The caller bounds how long a call takes; the SDK's own bound is out of the way. Milliseconds. */
const noTimeout = 86_400_000;

/** Headers of an answer that go back, beside `anthropic-…`. The rest is about bytes that were decoded meanwhile. */
const passedBack = ['content-type', 'retry-after', 'request-id'];

/** How a platform's SDK is called. */
export interface PlatformClient {
  /**
   * The SDK's client, which changes a request of the Messages API into one of the platform's, and the answer back.
   * @throws CredentialsError
   */
  readonly connect: () => Promise<Pick<BaseAnthropic, 'post'>>;
  /** Whether `/v1/messages/count_tokens` is there. */
  readonly countsTokens: boolean;
  /** What the platform calls the version of the API that a request names. */
  readonly versionOf: (asked: string) => string;
  /** A header of the answer that names the request. Default: `request-id`. */
  readonly requestId?: string;
  /** An event of an answer's stream, from its `event:` to its blank line, as Anthropic would word it. */
  readonly eventOf?: (event: Uint8Array) => Uint8Array;
}

/**
 * The Messages API over a platform's SDK. A connection that fails is a `TypeError`, as of `fetch`; what the platform
 * refuses is an answer with the status and in the words of Anthropic's API. An aborted signal ends the call upstream.
 */
export function messagesFetch(instance: PlatformInstance, platform: PlatformClient): MessagesFetch {
  return async (input, init = {}) => {
    const { pathname, search } = new URL(input instanceof Request ? input.url : input);
    const path = /\/v1\/(messages(\/count_tokens)?|models(\/[^/]+)?)$/.exec(pathname)?.[0] ?? '';
    if (path.startsWith('/v1/models')) return listOf(instance, path);
    if (path === '') return answerWith(404, 'There is no such call.');
    if (path.endsWith('count_tokens') && !platform.countsTokens)
      return answerWith(400, `${providerNames[instance.provider]} counts no tokens for this API.`);
    const left = new AbortController();
    const signal = init.signal ? AbortSignal.any([init.signal, left.signal]) : left.signal;
    const asked = new Headers(init.headers);
    const beta = asked.get('anthropic-beta');
    const body = typeof init.body === 'string' ? init.body : await new Response(init.body).text();
    const call = async () => {
      const client = await platform.connect();
      return client
        .post(/[?&]beta=true\b/.test(search) ? `${path}?beta=true` : path, {
          // All other headers are about the client.
          headers: {
            'anthropic-version': platform.versionOf(asked.get('anthropic-version') ?? ''),
            ...(beta === null ? {} : { 'anthropic-beta': beta }),
            // With this type the SDK takes the body as the text that it is.
            'content-type': 'application/json',
          },
          body,
          signal,
          timeout: noTimeout,
          maxRetries: 0,
        })
        .asResponse();
    };
    try {
      // The SDKs do not end a search for credentials with the call that it is for.
      const response = await within(call(), signal);
      return answerOf(response, platform, left);
    } catch (error) {
      init.signal?.throwIfAborted();
      return refused(error, instance, platform);
    }
  };
}

function answerOf(response: Response, platform: PlatformClient, left: AbortController): Response {
  const headers = headersOf(response.headers, platform);
  const body = response.body && bodyOf(response.body, platform.eventOf ?? ((event) => event), left);
  return new Response(body, { status: response.status, headers });
}

function headersOf(from: Headers | undefined, { requestId = 'request-id' }: PlatformClient): Headers {
  const headers = new Headers();
  for (const [name, value] of from ?? [])
    if (passedBack.includes(name) || name.startsWith('anthropic-')) headers.set(name, value);
  const id = from?.get(requestId);
  if (id) headers.set('request-id', id);
  return headers;
}

/** Whatever breaks a body off is a connection that broke off. Who leaves it ends the call upstream. */
function bodyOf(
  body: ReadableStream<Uint8Array>,
  eventOf: (event: Uint8Array) => Uint8Array,
  left: AbortController,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(eventOf(value));
      } catch (cause) {
        controller.error(new TypeError('terminated', { cause }));
        left.abort();
      }
    },
    async cancel(reason) {
      left.abort(reason);
      await reader.cancel(reason).catch(() => undefined);
    },
  });
}

/** @throws TypeError where the platform cannot be reached; what nobody foresaw */
function refused(error: unknown, instance: PlatformInstance, platform: PlatformClient): Response {
  const cause = error instanceof APIConnectionError ? error.cause : error;
  if (cause instanceof CredentialsError) return answerWith(403, cause.message);
  if (error instanceof APIConnectionError) throw new TypeError('fetch failed', { cause: error.cause ?? error });
  if (!(error instanceof APIError) || error.status === undefined) throw error;
  const { status, message } = refusalOf(instance.provider, error.status, error.error);
  return answerWith(status, message, headersOf(error.headers, platform));
}

function answerWith(status: number, message: string, headers = new Headers()): Response {
  headers.set('content-type', 'application/json');
  return new Response(errorBody(status, message, headers.get('request-id') ?? ''), { status, headers });
}

/** The platforms list what they have elsewhere, and not what of it an account may use: these are the configured names. */
function listOf({ models, modelIds }: PlatformInstance, path: string): Response {
  const names = [...models.filter((name) => !name.endsWith('*')), ...Object.keys(modelIds)];
  const listed = [...new Set(names)].map((id) =>
    listedModel({ id, name: id, contextTokens: null, maxOutputTokens: null, thinking: true }),
  );
  const answer = modelAnswer(path, listed);
  return answer ? Response.json(answer) : answerWith(404, `model: ${path.replace(/^.*\//, '')}`);
}

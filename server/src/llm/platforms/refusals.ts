import * as z from 'zod';
import type { PlatformInstance } from './platform.ts';

/** Longest sentence of a platform that is passed on, characters. */
const saidChars = 500;

/** Nothing to sign or to prove oneself with: none was found, or who hands it out has refused. */
export class CredentialsError extends Error {
  constructor(what: string, cause: unknown) {
    const why = cause instanceof Error ? sentence(cause.message) : '';
    super(`${what} ${why}`.trim(), { cause });
  }
}

/** A signature that does not fit is answered with all that was signed: only the first line is passed on. */
function sentence(text: string): string {
  return (text.split('\n', 1)[0] ?? '').slice(0, saidChars);
}

const WithMessage = z.object({ message: z.string() });
const WithError = z.object({ error: WithMessage }).transform(({ error }) => error);
/** Bedrock's, Vertex's own, which may stand in a list, and Anthropic's. */
const Body = z.union([WithError, z.tuple([WithError]).transform(([one]) => one), WithMessage]);

/** What a platform's error is in the terms of Anthropic's API. */
export function refusalOf(
  provider: PlatformInstance['provider'],
  status: number,
  body: unknown,
): { status: number; message: string } {
  const message = sentence(Body.safeParse(body).data?.message ?? `It answered with the status ${status}.`);
  // Bedrock's word for a model that is not there, and for one that broke off.
  if (provider === 'bedrock' && status === 400 && /model identifier is invalid/i.test(message))
    return { status: 404, message };
  return { status: provider === 'bedrock' && status === 424 ? 500 : status, message };
}

/** Types of Anthropic's errors by Bedrock's exceptions; any other is an `api_error`. */
const errorTypes: Readonly<Record<string, string>> = {
  throttlingException: 'rate_limit_error',
  serviceUnavailableException: 'overloaded_error',
  modelTimeoutException: 'timeout_error',
  validationException: 'invalid_request_error',
};

const ErrorEvent = z.object({ error: z.object({ type: z.string(), message: z.string() }) });
const errorMark = Buffer.from('event: error\n');

/** An exception inside a stream of Bedrock, which the SDK words as an event of Bedrock's own type, as Anthropic's. */
export function bedrockEvent(event: Uint8Array): Uint8Array {
  if (Buffer.compare(event.subarray(0, errorMark.length), errorMark) !== 0) return event;
  const data = Buffer.from(event)
    .toString()
    .slice(errorMark.length)
    .replace(/^data: /, '');
  const { error } = ErrorEvent.parse(JSON.parse(data));
  const type = error.type.endsWith('_error') ? error.type : (errorTypes[error.type] ?? 'api_error');
  return Buffer.from(
    `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type, message: sentence(error.message) } })}\n\n`,
  );
}

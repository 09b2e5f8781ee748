import * as z from 'zod';
import type { PlatformInstance } from './platform.ts';

/** Maximum length of a platform's message that is passed on, in characters. */
const maxMessageChars = 500;

/** Signals that no credentials were found, or that their issuer has refused to provide them. */
export class CredentialsError extends Error {
  constructor(what: string, cause: unknown) {
    const why = cause instanceof Error ? firstLine(cause.message) : '';
    super(`${what} ${why}`.trim(), { cause });
  }
}

/**
 * Returns the first line of a platform's message. The answer to a wrong signature contains everything that was signed,
 * so nothing else is passed on.
 */
function firstLine(text: string): string {
  return (text.split('\n', 1)[0] ?? '').slice(0, maxMessageChars);
}

const WithMessage = z.object({ message: z.string() });
const WithError = z.object({ error: WithMessage }).transform(({ error }) => error);
/** Error bodies of Bedrock, of Vertex (possibly in a list) and of Anthropic. */
const ErrorBody = z.union([WithError, z.tuple([WithError]).transform(([one]) => one), WithMessage]);

/** Returns a platform's error as status and message of Anthropic's API. */
export function refusalOf(
  provider: PlatformInstance['provider'],
  status: number,
  body: unknown,
): { status: number; message: string } {
  const message = firstLine(ErrorBody.safeParse(body).data?.message ?? `The provider returned the status ${status}.`);
  // Bedrock's status for an unknown model (400) and for a model whose answer was cut off (424).
  if (provider === 'bedrock' && status === 400 && /model identifier is invalid/i.test(message))
    return { status: 404, message };
  return { status: provider === 'bedrock' && status === 424 ? 500 : status, message };
}

/** Anthropic's error types by Bedrock's exceptions. Any other exception is an `api_error`. */
const errorTypes: Readonly<Record<string, string>> = {
  throttlingException: 'rate_limit_error',
  serviceUnavailableException: 'overloaded_error',
  modelTimeoutException: 'timeout_error',
  validationException: 'invalid_request_error',
};

/** The data of an error event, as Bedrock's SDK writes it. */
const BedrockError = z.object({ error: z.object({ type: z.string(), message: z.string() }) });
const errorMark = Buffer.from('event: error\n');

/**
 * Returns an event of a Bedrock stream. Bedrock's SDK reports an exception as an event of Bedrock's own type, which is
 * translated into Anthropic's.
 */
export function bedrockEvent(event: Uint8Array): Uint8Array {
  if (Buffer.compare(event.subarray(0, errorMark.length), errorMark) !== 0) return event;
  const data = Buffer.from(event)
    .toString()
    .slice(errorMark.length)
    .replace(/^data: /, '');
  const { error } = BedrockError.parse(JSON.parse(data));
  const type = error.type.endsWith('_error') ? error.type : (errorTypes[error.type] ?? 'api_error');
  return Buffer.from(
    `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type, message: firstLine(error.message) } })}\n\n`,
  );
}

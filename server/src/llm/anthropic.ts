import type Anthropic from '@anthropic-ai/sdk';
import type { ProblemError } from '@devlm/protocol/problem.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import { messageParams } from './anthropic-request.ts';
import { translate } from './anthropic-stream.ts';
import type { EndpointModel, ModelEvent, ModelRequest, StreamOptions } from './model.ts';
import { hostOf, modelProblem } from './problems.ts';
import { bytesArrived, Watchdog, watchedFetch } from './watchdog.ts';

/** Options of `AnthropicModel`. */
export interface AnthropicOptions {
  readonly apiKey: string;
  readonly baseUrl: string;
  /** Makes the calls to an instance at another platform. It has to call `bytesArrived`. Default: plain HTTP. */
  readonly send?: typeof fetch | undefined;
  /**
   * Time without a byte after which a stream counts as dead, in milliseconds. The first byte may take five times as
   * long.
   */
  readonly streamIdleMs: number;
  /** Upper bound of an answer, in tokens. A model's own lower bound takes precedence. */
  readonly maxOutputTokens: number;
}

/**
 * The Messages API through the official SDK: Anthropic's own, or any compatible endpoint. The SDK is loaded with the
 * first call, for instance when a window asks for the models, because loading it earlier would lengthen the start of a
 * server by an eighth.
 */
export class AnthropicModel implements EndpointModel {
  readonly #options: AnthropicOptions;
  #opened: Promise<Opened> | undefined;
  /** Models of the last list that was read, by id. */
  #known: ReadonlyMap<string, Anthropic.ModelInfo> = new Map();

  constructor(options: AnthropicOptions) {
    this.#options = options;
  }

  #open(): Promise<Opened> {
    this.#opened ??= open(this.#options);
    return this.#opened;
  }

  async models(signal: AbortSignal): Promise<ModelInfo[]> {
    const listed = await this.#fetchList(signal);
    return [...listed.values()].map((model) => ({
      id: model.id,
      name: model.display_name || model.id,
      contextTokens: model.max_input_tokens ?? null,
      maxOutputTokens: model.max_tokens ?? null,
      thinking: model.capabilities?.thinking?.supported ?? true,
    }));
  }

  async #fetchList(signal: AbortSignal): Promise<Map<string, Anthropic.ModelInfo>> {
    const found = new Map<string, Anthropic.ModelInfo>();
    const { client, sdkProblem } = await this.#open();
    try {
      for await (const model of client.models.list({ limit: 100 }, { signal, timeout: 20_000 })) {
        if (model.lifecycle !== 'retired') found.set(model.id, model);
        if (found.size >= 500) break;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw sdkProblem(error, this.#options.baseUrl);
    }
    this.#known = found;
    return found;
  }

  async *stream(
    request: ModelRequest,
    signal: AbortSignal,
    { heard, impatient = false }: StreamOptions = {},
  ): AsyncGenerator<ModelEvent> {
    const { streamIdleMs, baseUrl } = this.#options;
    const stalled = () =>
      modelProblem(
        'stream_stalled',
        `The call was canceled because ${hostOf(baseUrl)} sent no data for too long. Try again.`,
      );
    using silence = new Watchdog(streamIdleMs * (impatient ? 1 : 5), stalled);
    // Pings alone must not keep a turn alive forever.
    using standstill = new Watchdog(streamIdleMs * 5, stalled);
    const ended = AbortSignal.any([signal, silence.signal, standstill.signal]);
    let finished = false;
    const { client, sdkProblem, headersOf } = await this.#open();
    try {
      const {
        data: events,
        request_id,
        response,
      } = await bytesArrived.run(
        () => silence.touch(streamIdleMs),
        () =>
          client.messages.create(this.#params(request), { signal: ended, timeout: streamIdleMs * 20 }).withResponse(),
      );
      heard?.(response.headers);
      if (!response.headers.get('content-type')?.includes('event-stream'))
        throw modelProblem(
          'bad_answer',
          `The response of ${hostOf(baseUrl)} is not one of the Messages API. Check the base URL.`,
        );
      for await (const event of translate(events, request_id ?? undefined)) {
        standstill.touch(streamIdleMs * 5);
        if (event.type === 'ended') finished = true;
        yield event;
      }
    } catch (error) {
      ended.throwIfAborted();
      const headers = headersOf(error);
      if (headers) heard?.(headers);
      throw sdkProblem(error, baseUrl);
    }
    // The SDK ends its stream without an error when it is aborted.
    ended.throwIfAborted();
    if (!finished) throw modelProblem('stream_cut', 'The connection ended before the answer was complete.');
  }

  #params(request: ModelRequest): Anthropic.MessageCreateParamsStreaming {
    return messageParams(request, this.#known.get(request.model), this.#options.maxOutputTokens);
  }
}

/** The loaded SDK. */
interface Opened {
  readonly client: Anthropic;
  readonly sdkProblem: (error: unknown, baseUrl: string) => ProblemError;
  /** Returns the headers of an answer that is an error. */
  readonly headersOf: (error: unknown) => Headers | undefined;
}

async function open({ apiKey, baseUrl, send }: AnthropicOptions): Promise<Opened> {
  const [{ default: Sdk }, { sdkProblem }] = await Promise.all([
    import('@anthropic-ai/sdk'),
    import('./anthropic-problems.ts'),
  ]);
  const client = new Sdk({
    apiKey,
    authToken: null,
    baseURL: baseUrl,
    // The agent's loop retries, where the user can see it.
    maxRetries: 0,
    logLevel: 'off',
    fetch: send ?? watchedFetch,
  });
  return { client, sdkProblem, headersOf: (error) => (error instanceof Sdk.APIError ? error.headers : undefined) };
}

import type { BlockKind, Citation, Usage } from '@devlm/protocol/events.ts';
import type { ImageMediaType } from '@devlm/protocol/ids.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import type * as z from 'zod';

/** One piece of a message, in a shape that no provider owns. */
export type ModelContent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image'; readonly mediaType: z.infer<typeof ImageMediaType>; readonly data: Uint8Array }
  | { readonly type: 'thinking'; readonly text: string; readonly signature: string }
  /** A block that is sent back exactly as it came: redacted thinking, a server tool's result. */
  | { readonly type: 'opaque'; readonly value: unknown }
  | { readonly type: 'tool_call'; readonly callId: string; readonly name: string; readonly input: unknown }
  | {
      readonly type: 'tool_result';
      readonly callId: string;
      readonly ok: boolean;
      readonly text: string;
      readonly images: readonly { readonly mediaType: z.infer<typeof ImageMediaType>; readonly data: Uint8Array }[];
    };

/** One message of a conversation. */
export interface ModelMessage {
  readonly role: 'user' | 'assistant';
  readonly content: readonly ModelContent[];
}

/** A tool that the model may call. */
export interface ModelTool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of an object. */
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

/** One call of a model. */
export interface ModelRequest {
  readonly model: string;
  readonly system: string;
  readonly messages: readonly ModelMessage[];
  readonly tools: readonly ModelTool[];
  readonly thinking: boolean;
  /** Lets the model search the web at the provider, at most so often. Default: it cannot. */
  readonly webSearches?: number;
  /** Upper bound of this answer in tokens; the adapter's own lower bound counts first. */
  readonly maxTokens?: number;
}

/** What a stream yields, in this order: started, blocks (never interleaved), counted, ended. */
export type ModelEvent =
  | {
      readonly type: 'started';
      readonly model: string;
      readonly requestId: string | undefined;
      readonly usage: Usage;
      /** Which Claude credential and endpoint answers, where there are several. */
      readonly instance?: string;
    }
  | {
      readonly type: 'block.started';
      readonly index: number;
      readonly kind: BlockKind;
      readonly tool?: { readonly callId: string; readonly name: string };
    }
  | { readonly type: 'block.delta'; readonly index: number; readonly text: string }
  | {
      readonly type: 'block.ended';
      readonly index: number;
      readonly signature?: string;
      readonly opaque?: unknown;
      readonly citations?: readonly Citation[];
    }
  | {
      readonly type: 'ended';
      readonly stopReason: string;
      readonly usage: Usage;
      /** Searches of the web that the provider made and charges for. */
      readonly webSearches: number;
    };

/**
 * The port to a model provider. Failures are `ProblemError`s with one of the codes of
 * `problems.ts`; an aborted signal rejects with the signal's reason and hangs up upstream.
 */
export interface Model {
  models(signal: AbortSignal): Promise<ModelInfo[]>;
  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
}

/** How a call is made at an endpoint that is one of several. */
export interface StreamOptions {
  /** Is given the headers of the answer, be it an error's. */
  readonly heard?: (headers: Headers) => void;
  /** The first byte may take no longer than any other: the call can be made elsewhere. */
  readonly impatient?: boolean;
}

/** A model at one endpoint, as the pool calls it. */
export interface EndpointModel extends Model {
  stream(request: ModelRequest, signal: AbortSignal, options?: StreamOptions): AsyncIterable<ModelEvent>;
}

import type { BlockKind, Citation, Usage } from '@devlm/protocol/events.ts';
import type { ImageMediaType } from '@devlm/protocol/ids.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import type * as z from 'zod';

/** One piece of a message, independent of any provider. */
export type ModelContent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image'; readonly mediaType: z.infer<typeof ImageMediaType>; readonly data: Uint8Array }
  | { readonly type: 'thinking'; readonly text: string; readonly signature: string }
  /** A block that is sent back unchanged: redacted thinking or a server tool's result. */
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
  /** JSON Schema of the tool's input, which is an object. */
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

/** One call to a model. */
export interface ModelRequest {
  readonly model: string;
  readonly system: string;
  readonly messages: readonly ModelMessage[];
  readonly tools: readonly ModelTool[];
  readonly thinking: boolean;
  /** Maximum number of web searches that the model may make at the provider. Default: none. */
  readonly webSearches?: number;
  /** Upper bound of this answer, in tokens. The adapter's own lower bound takes precedence. */
  readonly maxTokens?: number;
}

/** An event of a stream. The order is: started, blocks (never interleaved), ended. */
export type ModelEvent =
  | {
      readonly type: 'started';
      readonly model: string;
      readonly requestId: string | undefined;
      readonly usage: Usage;
      /** Id of the instance that answers, if there are several. */
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
      /** Number of web searches that the provider made and charges for. */
      readonly webSearches: number;
    };

/**
 * The port to a model provider. Failures are `ProblemError`s with one of the codes of `problems.ts`. If the signal
 * aborts, the call rejects with the signal's reason and also ends at the provider.
 */
export interface Model {
  models(signal: AbortSignal): Promise<ModelInfo[]>;
  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
}

/** Options of a call at an endpoint that is one of several. */
export interface StreamOptions {
  /** Called with the headers of the response, including those of an error. */
  readonly heard?: (headers: Headers) => void;
  /** Whether the first byte may take no longer than any other, because the call can be made elsewhere. */
  readonly impatient?: boolean;
}

/** A model at one endpoint, as the pool calls it. */
export interface EndpointModel extends Model {
  stream(request: ModelRequest, signal: AbortSignal, options?: StreamOptions): AsyncIterable<ModelEvent>;
}

import type {
  ContentBlock,
  RefusalStopDetails,
  StopReason,
  TextCitation,
  Usage,
  WebSearchResultBlock,
} from '@anthropic-ai/sdk/resources/messages';
import type { MessagesRequest } from './request.ts';
import { redact } from './signer.ts';

/** A part of an answer as a test writes it. Omitted ids and signatures are filled in. */
export type Block =
  | { readonly type: 'text'; readonly text: string; readonly citations?: readonly TextCitation[] }
  | { readonly type: 'thinking'; readonly thinking: string; readonly signature?: string }
  | { readonly type: 'redacted_thinking'; readonly data: string }
  | { readonly type: 'tool_use'; readonly name: string; readonly input: object; readonly id?: string }
  | { readonly type: 'server_tool_use'; readonly name: ServerToolName; readonly input: object; readonly id?: string }
  | {
      readonly type: 'web_search_tool_result';
      /** Id of the `server_tool_use` block. Default: that of the block before. */
      readonly tool_use_id?: string;
      readonly content: WebSearchContent;
    }
  /** Any other block of the API, which is streamed as its start and its stop. */
  | Exclude<ContentBlock, { type: OwnType }>;

type OwnType = 'text' | 'thinking' | 'redacted_thinking' | 'tool_use' | 'server_tool_use' | 'web_search_tool_result';
type ServerToolName = Extract<ContentBlock, { type: 'server_tool_use' }>['name'];
type WebSearchContent = Extract<ContentBlock, { type: 'web_search_tool_result' }>['content'];

/** Returns a text block. */
export function text(words: string, citations?: readonly TextCitation[]): Block {
  return { type: 'text', text: words, citations };
}

/** Returns a thinking block, which is sent only to requests for thinking, as with the real models. */
export function thinking(words: string): Block {
  return { type: 'thinking', thinking: words };
}

/** Returns a block of redacted thinking. */
export function redactedThinking(words = 'something'): Block {
  return { type: 'redacted_thinking', data: redact(words) };
}

/** Returns a tool call. */
export function toolUse(name: string, input: object, id?: string): Block {
  return { type: 'tool_use', name, input, id };
}

/** Returns a call of a server tool. */
export function serverToolUse(name: ServerToolName, input: object, id?: string): Block {
  return { type: 'server_tool_use', name, input, id };
}

/** Returns the result block of a web search at the provider. */
export function webSearchResult(
  found: readonly { readonly title: string; readonly url: string; readonly text?: string; readonly age?: string }[],
): Block {
  const content = found.map(
    ({ title, url, text: words, age }): WebSearchResultBlock => ({
      type: 'web_search_result',
      title,
      url,
      encrypted_content: Buffer.from(words ?? title).toString('base64'),
      page_age: age ?? null,
    }),
  );
  return { type: 'web_search_tool_result', content };
}

/** Returns a citation of a web search result. */
export function webCitation(title: string, url: string, citedText: string): TextCitation {
  return {
    type: 'web_search_result_location',
    title,
    url,
    cited_text: citedText,
    encrypted_index: Buffer.from(url).toString('base64'),
  };
}

/** Speed of an answer. Default: as fast as possible. */
export interface Pace {
  /** Delay between the headers and the first event, in milliseconds. */
  readonly startDelayMs?: number;
  /** Length of a delta in UTF-16 code units; never splits a character. Default: 40. */
  readonly chunkChars?: number;
  /** Deltas per second on average over the whole answer: a late delta does not delay the next ones. */
  readonly chunksPerSecond?: number;
}

/** Faults in the transmission of an answer. Counts of events include pings. */
export interface Wire {
  /** Delay before the headers, in milliseconds. */
  readonly headersDelayMs?: number;
  readonly contentType?: string;
  /** CRLF line ends instead of LF. */
  readonly crlf?: boolean;
  /** Bytes in each write: 1 is byte by byte, Infinity the whole body at once. */
  readonly chunkBytes?: number;
  /** Events of unknown types, or any others, sent after a number of events. */
  readonly inject?: readonly { readonly afterEvents: number; readonly event: string; readonly data: unknown }[];
  /** An `error` event after a number of events, followed by the end. */
  readonly error?: { readonly afterEvents: number; readonly type: string; readonly message?: string };
  /** Closes or resets the connection after a number of bytes of the body or of events. */
  readonly cut?: { readonly atByte?: number; readonly afterEvents?: number; readonly reset?: boolean };
  /** Stops sending after a number of bytes or events, until the promise is fulfilled. Default: forever. */
  readonly stall?: {
    readonly atByte?: number;
    readonly afterEvents?: number;
    readonly until?: Promise<unknown>;
    /** Interval of pings during the stall. They corrupt an event that is stalled in its middle. */
    readonly pingEveryMs?: number;
  };
}

/** An answer with all its options. */
export interface Reply {
  readonly blocks: string | Block | readonly (string | Block)[];
  /** Default: `tool_use` if the last block is one, else `end_turn`. */
  readonly stopReason?: StopReason;
  readonly stopDetails?: RefusalStopDetails;
  /** Replaces the counted usage. */
  readonly usage?: Partial<Usage>;
  readonly pace?: Pace;
  readonly wire?: Wire;
}

/** A body that is sent unchanged, whether the request is for a stream or not. */
export interface RawReply {
  readonly raw: string | Uint8Array;
  readonly wire?: Wire;
}

/** A response with a status other than 200. */
export interface HttpReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string is sent unchanged; an object as JSON, with the request id added. */
  readonly body: string | object;
  readonly wire?: Wire;
}

/** Closes the connection without a response. */
export interface NoReply {
  readonly hangUp: 'close' | 'reset';
}

/** An answer that does not depend on the request. */
export type FixedAnswer = string | Block | readonly (string | Block)[] | Reply | RawReply | HttpReply | NoReply;
/** An answer, or a function that returns it for a request. */
export type Answer = FixedAnswer | ((request: ClaudeRequest) => FixedAnswer | Promise<FixedAnswer>);

/** A checked request, as scenarios see it. */
export interface ClaudeRequest {
  readonly body: MessagesRequest;
  /** Text of the last user message. */
  readonly text: string;
  /** Number of this call to the scenario, 1-based. */
  readonly call: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Converts the short forms of an answer to the full form. */
export function normalise(answer: FixedAnswer): Reply | RawReply | HttpReply | NoReply {
  if (typeof answer === 'string' || Array.isArray(answer)) return { blocks: answer };
  if ('type' in answer) return { blocks: answer };
  return answer as Exclude<FixedAnswer, string | Block | readonly (string | Block)[]>;
}

/** A recorded or hand-written stream of server-sent events. */
export function rawSse(raw: string | Uint8Array, wire?: Wire): RawReply {
  return { raw, wire };
}

/** Returns a policy refusal, after the blocks that were written before it. */
export function refusal(
  category: RefusalStopDetails['category'] = null,
  said: Reply['blocks'] = [],
  explanation: string | null = null,
): Reply {
  return { blocks: said, stopReason: 'refusal', stopDetails: { type: 'refusal', category, explanation } };
}

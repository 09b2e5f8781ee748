import type { ContentBlock, Message, StopReason, Usage } from '@anthropic-ai/sdk/resources/messages';
import type { Block, Reply } from './answer.ts';
import type { PromptUsage } from './cache.ts';
import type { StandInModel } from './models.ts';
import type { MessagesRequest } from './request.ts';
import type { Signer } from './signer.ts';
import { textTokens } from './tokens.ts';

/** A complete answer, which can be sent as one message or as events. */
export interface Composed {
  /** The final message. */
  readonly message: Message;
  /** Inputs as they are streamed, by the index of the tool block. Truncated if the tokens ran out. */
  readonly inputs: ReadonlyMap<number, string>;
}

/** Request and state that an answer is composed from. */
export interface Composing {
  readonly request: MessagesRequest;
  readonly model: StandInModel;
  readonly prompt: PromptUsage;
  readonly signer: Signer;
  /** A unique number that is the same in every test run. Ids are derived from it. */
  readonly serial: number;
}

const direct = { type: 'direct' } as const;

/** Applies a request (its thinking, stop sequences and `max_tokens`) to the answer of a scenario. */
export function compose(reply: Reply, context: Composing): Composed {
  const { request, serial } = context;
  const wanted = (Array.isArray(reply.blocks) ? reply.blocks : [reply.blocks]) as readonly (string | Block)[];
  const content: ContentBlock[] = [];
  const inputs = new Map<number, string>();
  let left = request.max_tokens;
  let thinkingTokens = 0;
  let searches = 0;
  let stop: { reason: StopReason; sequence: string | null } | undefined;
  let serverTool = '';

  for (const [at, given] of wanted.entries()) {
    if (stop) break;
    if (left <= 0) {
      stop = { reason: 'max_tokens', sequence: null };
      break;
    }
    const block = typeof given === 'string' ? ({ type: 'text', text: given } as const) : given;
    const id = `${String(serial).padStart(16, '0')}${String(at).padStart(4, '0')}`;
    switch (block.type) {
      case 'text': {
        const { kept, sequence } = untilStop(block.text, request.stop_sequences ?? []);
        const words = within(kept, left);
        left -= textTokens(words);
        content.push({ type: 'text', text: words, citations: block.citations ? [...block.citations] : null });
        if (words.length < kept.length) stop = { reason: 'max_tokens', sequence: null };
        else if (sequence !== null) stop = { reason: 'stop_sequence', sequence };
        break;
      }
      case 'thinking': {
        const display = thinkingDisplay(context);
        if (!display) break;
        const words = within(block.thinking, left);
        left -= textTokens(words);
        thinkingTokens += textTokens(words);
        const shown = display === 'omitted' ? '' : words;
        content.push({ type: 'thinking', thinking: shown, signature: block.signature ?? context.signer.sign(shown) });
        if (words.length < block.thinking.length) stop = { reason: 'max_tokens', sequence: null };
        break;
      }
      case 'redacted_thinking':
        if (!thinkingDisplay(context)) break;
        left -= textTokens(block.data);
        thinkingTokens += textTokens(block.data);
        content.push({ type: 'redacted_thinking', data: block.data });
        break;
      case 'tool_use':
      case 'server_tool_use': {
        const whole = JSON.stringify(block.input);
        const input = within(whole, left);
        left -= textTokens(input);
        inputs.set(content.length, input);
        const cut = input.length < whole.length;
        if (cut) stop = { reason: 'max_tokens', sequence: null };
        const common = { input: cut ? {} : block.input, caller: direct };
        if (block.type === 'tool_use') {
          content.push({ type: 'tool_use', id: block.id ?? `toolu_01${id}`, name: block.name, ...common });
        } else {
          serverTool = block.id ?? `srvtoolu_01${id}`;
          if (block.name === 'web_search') searches++;
          content.push({ type: 'server_tool_use', id: serverTool, name: block.name, ...common });
        }
        break;
      }
      case 'web_search_tool_result':
        content.push({ ...block, tool_use_id: block.tool_use_id ?? serverTool, caller: direct });
        break;
      default:
        content.push(block);
    }
  }

  const last = content.at(-1);
  const natural: StopReason =
    request.max_tokens === 0 ? 'max_tokens' : last?.type === 'tool_use' ? 'tool_use' : 'end_turn';
  return {
    inputs,
    message: {
      id: `msg_01${String(serial).padStart(20, '0')}`,
      type: 'message',
      role: 'assistant',
      model: context.model.info.id,
      content,
      stop_reason: stop?.reason ?? reply.stopReason ?? natural,
      stop_sequence: stop?.sequence ?? null,
      stop_details: stop ? null : (reply.stopDetails ?? null),
      container: null,
      diagnostics: null,
      usage: { ...usage(context.prompt, request.max_tokens - left, thinkingTokens, searches), ...reply.usage },
    },
  };
}

/** Returns how thinking is displayed for this request. Undefined if the request does not ask for thinking. */
function thinkingDisplay({ request, model }: Composing): 'summarized' | 'omitted' | undefined {
  const { thinking } = request;
  if (thinking?.type !== 'enabled' && thinking?.type !== 'adaptive') return undefined;
  return thinking.display ?? model.thinkingDisplay;
}

function usage(prompt: PromptUsage, output: number, thinkingTokens: number, searches: number): Usage {
  return {
    input_tokens: prompt.input,
    cache_creation_input_tokens: prompt.write5m + prompt.write1h,
    cache_read_input_tokens: prompt.read,
    cache_creation: { ephemeral_5m_input_tokens: prompt.write5m, ephemeral_1h_input_tokens: prompt.write1h },
    // Even an empty answer costs a token.
    output_tokens: Math.max(1, output),
    output_tokens_details: { thinking_tokens: thinkingTokens },
    server_tool_use: searches > 0 ? { web_search_requests: searches, web_fetch_requests: 0 } : null,
    service_tier: 'standard',
    inference_geo: 'global',
    speed: null,
  };
}

/** Returns the beginning of the text that fits a number of tokens, without splitting a character. */
function within(words: string, tokens: number): string {
  const end = tokens * 4;
  if (words.length <= end) return words;
  return words.slice(0, isHighSurrogate(words, end - 1) ? end - 1 : end);
}

function untilStop(words: string, sequences: readonly string[]): { kept: string; sequence: string | null } {
  let at = words.length;
  let found: string | null = null;
  for (const sequence of sequences) {
    const place = words.indexOf(sequence);
    if (place >= 0 && place < at) {
      at = place;
      found = sequence;
    }
  }
  return { kept: words.slice(0, at), sequence: found };
}

/** Returns whether a code unit is the first half of a surrogate pair. */
export function isHighSurrogate(words: string, at: number): boolean {
  const unit = words.charCodeAt(at);
  return unit >= 0xd800 && unit <= 0xdbff;
}

import type Anthropic from '@anthropic-ai/sdk';
import type { Stream } from '@anthropic-ai/sdk/core/streaming';
import { type BlockKind, noTokens, type Usage } from '@devlm/protocol/events.ts';
import type { ModelEvent } from './model.ts';

/** Timeout for the end of a body after the end of its message, in milliseconds. */
const bodyEndTimeoutMs = 1_000;

/** Translates the provider's stream into events of the port. Unknown types of events, blocks and deltas are ignored. */
export async function* translate(
  events: Stream<Anthropic.RawMessageStreamEvent>,
  requestId: string | undefined,
): AsyncGenerator<ModelEvent> {
  let usage: Usage = noTokens;
  let webSearches = 0;
  let stopReason: string | null = null;
  let open: OpenBlock | undefined;
  for await (const event of untilStop(events)) {
    switch (event.type) {
      case 'message_start':
        usage = addUsage(usage, event.message.usage);
        yield { type: 'started', model: event.message.model, requestId, usage };
        break;
      case 'content_block_start': {
        const { kind, tool, text, opaque } = describeBlock(event.content_block);
        open = { kind, opaque, signature: '', citations: [] };
        yield tool
          ? { type: 'block.started', index: event.index, kind, tool }
          : { type: 'block.started', index: event.index, kind };
        if (text) yield { type: 'block.delta', index: event.index, text };
        break;
      }
      case 'content_block_delta': {
        const text = open ? takeDelta(open, event.delta) : '';
        if (text) yield { type: 'block.delta', index: event.index, text };
        break;
      }
      case 'content_block_stop':
        if (open) {
          yield {
            type: 'block.ended',
            index: event.index,
            ...(open.signature ? { signature: open.signature } : {}),
            ...(open.opaque === undefined ? {} : { opaque: open.opaque }),
            ...(open.citations.length > 0 ? { citations: open.citations } : {}),
          };
        }
        open = undefined;
        break;
      case 'message_delta':
        usage = addUsage(usage, event.usage);
        webSearches = event.usage?.server_tool_use?.web_search_requests ?? webSearches;
        stopReason = event.delta.stop_reason ?? stopReason;
        break;
      case 'message_stop':
        yield { type: 'ended', stopReason: stopReason ?? 'end_turn', usage, webSearches };
        return;
    }
  }
}

/**
 * Yields the events of a message. Afterwards the body is read to its end in the background, because only then can the
 * connection serve another call.
 */
async function* untilStop(events: Stream<Anthropic.RawMessageStreamEvent>) {
  const source = events[Symbol.asyncIterator]();
  let stopped = false;
  try {
    for (let next = await source.next(); !next.done; next = await source.next()) {
      stopped = next.value.type === 'message_stop';
      yield next.value;
    }
  } finally {
    if (stopped) void drain(source, events.controller);
    else await source.return?.();
  }
}

async function drain(source: AsyncIterator<unknown>, controller: AbortController): Promise<void> {
  const timeout = setTimeout(() => controller.abort(), bodyEndTimeoutMs).unref();
  try {
    for (let next = await source.next(); !next.done; ) next = await source.next();
  } catch {
    // The message is complete. An error now affects only the connection.
  } finally {
    clearTimeout(timeout);
  }
}

/** A block whose end has not arrived yet. */
interface OpenBlock {
  readonly kind: BlockKind;
  readonly opaque: unknown;
  signature: string;
  readonly citations: { url?: string; title?: string; citedText?: string }[];
}

function describeBlock(block: Anthropic.ContentBlock): {
  kind: BlockKind;
  tool?: { callId: string; name: string };
  text?: string;
  opaque?: unknown;
} {
  switch (block.type) {
    case 'text':
      return { kind: 'text', text: block.text };
    case 'thinking':
      return { kind: 'thinking', text: block.thinking };
    case 'redacted_thinking':
      return { kind: 'thinking', opaque: block };
    case 'tool_use':
      return { kind: 'tool_call', tool: { callId: block.id, name: block.name } };
    case 'server_tool_use':
      return { kind: 'server_tool', tool: { callId: block.id, name: block.name } };
    default: {
      // Results of server tools and unknown block types are kept and sent back unchanged.
      const callId = 'tool_use_id' in block ? block.tool_use_id : '';
      return { kind: 'server_tool_result', tool: { callId, name: block.type }, opaque: block };
    }
  }
}

/** Returns the text that a delta adds. Signatures and citations are collected for the end of the block. */
function takeDelta(open: OpenBlock, delta: Anthropic.RawContentBlockDelta): string {
  switch (delta.type) {
    case 'text_delta':
      return delta.text;
    case 'thinking_delta':
      return delta.thinking;
    case 'input_json_delta':
      return delta.partial_json;
    case 'signature_delta':
      open.signature += delta.signature;
      return '';
    case 'citations_delta': {
      const citation = delta.citation;
      open.citations.push({
        ...('url' in citation && citation.url ? { url: citation.url } : {}),
        ...('title' in citation && citation.title ? { title: citation.title } : {}),
        ...('document_title' in citation && citation.document_title ? { title: citation.document_title } : {}),
        citedText: citation.cited_text,
      });
      return '';
    }
    default:
      return '';
  }
}

/**
 * Returns the usage after an event. Counts in a stream are cumulative, and a later event may omit what an earlier one
 * stated.
 */
function addUsage(before: Usage, usage: Anthropic.Usage | Anthropic.MessageDeltaUsage | undefined): Usage {
  const thinkingTokens = usage?.output_tokens_details?.thinking_tokens ?? before.thinkingTokens;
  return {
    inputTokens: usage?.input_tokens ?? before.inputTokens,
    outputTokens: usage?.output_tokens ?? before.outputTokens,
    cacheReadTokens: usage?.cache_read_input_tokens ?? before.cacheReadTokens,
    cacheWriteTokens: usage?.cache_creation_input_tokens ?? before.cacheWriteTokens,
    ...(thinkingTokens === undefined ? {} : { thinkingTokens }),
  };
}

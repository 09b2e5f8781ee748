import type { ImageMediaType } from '@devlm/protocol/ids.ts';
import type { StepState, ToolResult, TurnState } from '@devlm/protocol/state.ts';
import type * as z from 'zod';
import type { ModelContent, ModelMessage } from '../llm/model.ts';
import { attachmentText } from './attachment-text.ts';
import { taskInstructions } from './tasks.ts';
import { inputForModel } from './tool-input.ts';

/** Reads an image that a message refers to; null when it is gone. */
export type ReadBlob = (hash: string) => Promise<Uint8Array | null>;

/** What stands around the messages of a branch. */
export interface MessageOptions {
  /** Stands before the first message. */
  readonly lead?: string | null;
  /** Stands behind the last one, as the person's words. */
  readonly tail?: string;
  /** The turn that goes on. Default: the last one. */
  readonly current?: string | undefined;
}

/** The messages of a branch, oldest turn first. The last turn may be in the middle of its steps. */
export async function toMessages(
  turns: readonly TurnState[],
  readBlob: ReadBlob,
  { lead, tail, current = turns.at(-1)?.id }: MessageOptions = {},
): Promise<ModelMessage[]> {
  const messages: ModelMessage[] = lead ? [{ role: 'user', content: [{ type: 'text', text: lead }] }] : [];
  for (const turn of turns) {
    // Taken out of the queue, or stopped before it was read: the person does not want it answered.
    if (turn.status === 'stopped' && turn.steps.length === 0 && turn !== turns.at(-1)) continue;
    messages.push({ role: 'user', content: await userContent(turn, readBlob) });
    // Thinking has to go back while its turn goes on. Later it need not, and another model or
    // provider would refuse its signature.
    const keepThinking = turn.id === current;
    for (const [index, step] of turn.steps.entries()) {
      messages.push(...notesBefore(turn, index), ...(await stepMessages(step, keepThinking, readBlob)));
    }
    messages.push(...notesBefore(turn, turn.steps.length));
  }
  if (tail !== undefined) messages.push({ role: 'user', content: [{ type: 'text', text: tail }] });
  return joinNeighbours(messages);
}

/** What was noted between two steps. */
function notesBefore({ notes = [] }: TurnState, index: number): ModelMessage[] {
  return notes
    .filter(({ step }) => step === index)
    .map(({ text }) => ({ role: 'user', content: [{ type: 'text', text }] }));
}

async function userContent(turn: TurnState, readBlob: ReadBlob): Promise<ModelContent[]> {
  const content: ModelContent[] = [];
  if (turn.map) content.push({ type: 'text', text: turn.map });
  for (const attachment of turn.attachments) {
    if (attachment.kind === 'image') {
      const data = await readBlob(attachment.blob);
      content.push(
        data
          ? { type: 'image', mediaType: attachment.mediaType, data }
          : { type: 'text', text: `(The image ${attachment.name} is no longer stored.)` },
      );
    } else {
      content.push({ type: 'text', text: attachmentText(attachment) });
    }
  }
  const instructions = taskInstructions(turn.task);
  if (instructions !== null) content.push({ type: 'text', text: instructions });
  // The API refuses empty text.
  if (turn.text.trim() !== '' || content.length === 0)
    content.push({ type: 'text', text: turn.text.trim() || '(no text)' });
  return content;
}

/** What a step said and what its tools answered. A step that was cut short keeps only what is whole. */
async function stepMessages(step: StepState, keepThinking: boolean, readBlob: ReadBlob): Promise<ModelMessage[]> {
  const said: ModelContent[] = [];
  const results: ModelContent[] = [];
  for (const block of step.blocks) {
    switch (block.kind) {
      case 'text':
        if (block.text.trim() !== '') said.push({ type: 'text', text: block.text });
        break;
      case 'thinking':
        if (!keepThinking) break;
        if (block.opaque !== undefined) said.push({ type: 'opaque', value: block.opaque });
        else if (block.signature) said.push({ type: 'thinking', text: block.text, signature: block.signature });
        break;
      case 'tool_call': {
        if (!block.done || !block.tool) break;
        const { callId, name } = block.tool;
        const result: ToolResult = step.results[callId] ?? {
          ok: false,
          text: `The person stopped this ${step.calls[callId]?.started ? 'while it ran' : 'before it ran'}.`,
        };
        said.push({ type: 'tool_call', callId, name, input: inputForModel(block.text) });
        results.push({
          type: 'tool_result',
          callId,
          ok: result.ok,
          text: result.text || '(nothing)',
          images: await readImages(result, readBlob),
        });
        break;
      }
      case 'server_tool': {
        const answered = step.blocks.some(
          (other) => other.kind === 'server_tool_result' && other.tool?.callId === block.tool?.callId && other.done,
        );
        // A server tool's call without its result is refused by the API.
        if (block.done && block.tool && answered) {
          const { callId: id, name } = block.tool;
          said.push({
            type: 'opaque',
            value: { type: 'server_tool_use', id, name, input: inputForModel(block.text) },
          });
        }
        break;
      }
      case 'server_tool_result':
        if (block.done && block.opaque !== undefined) said.push({ type: 'opaque', value: block.opaque });
        break;
    }
  }
  // Thinking alone, with nothing after it, is not a message that can be sent back.
  const substance = said.some((content) => content.type !== 'thinking' && content.type !== 'opaque');
  const messages: ModelMessage[] = [];
  if (substance || results.length > 0) messages.push({ role: 'assistant', content: said });
  if (results.length > 0) messages.push({ role: 'user', content: results });
  return messages;
}

/** The pictures of a tool's result that are still stored. */
async function readImages({ details }: ToolResult, readBlob: ReadBlob) {
  const images: { mediaType: z.infer<typeof ImageMediaType>; data: Uint8Array }[] = [];
  for (const { mediaType, blob } of details?.images ?? []) {
    const data = await readBlob(blob);
    if (data) images.push({ mediaType, data });
  }
  return images;
}

/** Two messages of one role in a row (a failed turn, a tool result before a new message) become one. */
function joinNeighbours(messages: readonly ModelMessage[]): ModelMessage[] {
  const joined: ModelMessage[] = [];
  for (const message of messages) {
    const last = joined.at(-1);
    if (last?.role === message.role)
      joined[joined.length - 1] = { role: last.role, content: [...last.content, ...message.content] };
    else joined.push(message);
  }
  return joined;
}

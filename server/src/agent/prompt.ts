import type { ImageMediaType } from '@devlm/protocol/ids.ts';
import type { StepState, ToolResult, TurnState } from '@devlm/protocol/state.ts';
import type * as z from 'zod';
import type { ModelContent, ModelMessage } from '../llm/model.ts';
import { attachmentText } from './attachment-text.ts';
import { repetitionThreshold } from './repetition.ts';
import { taskInstructions } from './tasks.ts';
import { inputForModel } from './tool-input.ts';

/** Reads an image that a message refers to. Returns null if it is no longer stored. */
export type ReadBlob = (hash: string) => Promise<Uint8Array | null>;

/** Notice after the result of a call that the model has repeated several times. */
export const repetitionNotice = `\n\n(This is the same call with the same result as before, ${repetitionThreshold} times or more. Do something else, or ask the user.)`;

/** Options for the messages of a branch. */
export interface MessageOptions {
  /** Text before the first message. */
  readonly lead?: string | null;
  /** Text after the last message, sent as the user's. */
  readonly tail?: string;
  /** Id of the turn that is being continued. Default: the last one. */
  readonly current?: string | undefined;
}

/** Returns the messages of a branch, oldest turn first. The last turn may be in the middle of its steps. */
export async function toMessages(
  turns: readonly TurnState[],
  readBlob: ReadBlob,
  { lead, tail, current = turns.at(-1)?.id }: MessageOptions = {},
): Promise<ModelMessage[]> {
  const messages: ModelMessage[] = lead ? [{ role: 'user', content: [{ type: 'text', text: lead }] }] : [];
  for (const turn of turns) {
    // The turn was removed from the queue or stopped before it was read: the user does not want it answered.
    if (turn.status === 'stopped' && turn.steps.length === 0 && turn !== turns.at(-1)) continue;
    messages.push({ role: 'user', content: await userContent(turn, readBlob) });
    // Thinking has to be sent back while its turn continues. Later it is not needed, and another model or provider
    // would reject its signature.
    const keepThinking = turn.id === current;
    for (const [index, step] of turn.steps.entries()) {
      messages.push(...notesBefore(turn, index), ...(await stepMessages(step, keepThinking, readBlob)));
    }
    messages.push(...notesBefore(turn, turn.steps.length));
  }
  if (tail !== undefined) messages.push({ role: 'user', content: [{ type: 'text', text: tail }] });
  return joinConsecutive(messages);
}

/** Returns the notes between two steps. */
function notesBefore({ notes = [] }: TurnState, index: number): ModelMessage[] {
  return notes
    .filter(({ step }) => step === index)
    .map(({ text }) => ({ role: 'user', content: [{ type: 'text', text }] }));
}

/** Returns the content of the user's message: map, attachments, task instructions and text. */
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
  // The API rejects empty text.
  if (turn.text.trim() !== '' || content.length === 0)
    content.push({ type: 'text', text: turn.text.trim() || '(no text)' });
  return content;
}

/**
 * Returns the messages of a step: the model's blocks and the results of its tools. A step that was cut short keeps only
 * complete blocks.
 */
async function stepMessages(step: StepState, keepThinking: boolean, readBlob: ReadBlob): Promise<ModelMessage[]> {
  const answer: ModelContent[] = [];
  const results: ModelContent[] = [];
  for (const block of step.blocks) {
    switch (block.kind) {
      case 'text':
        if (block.text.trim() !== '') answer.push({ type: 'text', text: block.text });
        break;
      case 'thinking':
        if (!keepThinking) break;
        if (block.opaque !== undefined) answer.push({ type: 'opaque', value: block.opaque });
        else if (block.signature) answer.push({ type: 'thinking', text: block.text, signature: block.signature });
        break;
      case 'tool_call': {
        if (!block.done || !block.tool) break;
        const { callId, name } = block.tool;
        const result: ToolResult = step.results[callId] ?? {
          ok: false,
          text: `The user stopped this ${step.calls[callId]?.started ? 'while it ran' : 'before it ran'}.`,
        };
        answer.push({ type: 'tool_call', callId, name, input: inputForModel(block.text) });
        results.push({
          type: 'tool_result',
          callId,
          ok: result.ok,
          text: resultText(result),
          images: await readImages(result, readBlob),
        });
        break;
      }
      case 'server_tool': {
        const answered = step.blocks.some(
          (other) => other.kind === 'server_tool_result' && other.tool?.callId === block.tool?.callId && other.done,
        );
        // The API rejects a server tool's call without its result.
        if (block.done && block.tool && answered) {
          const { callId: id, name } = block.tool;
          answer.push({
            type: 'opaque',
            value: { type: 'server_tool_use', id, name, input: inputForModel(block.text) },
          });
        }
        break;
      }
      case 'server_tool_result':
        if (block.done && block.opaque !== undefined) answer.push({ type: 'opaque', value: block.opaque });
        break;
    }
  }
  // A message that contains only thinking cannot be sent back.
  const hasContent = answer.some((content) => content.type !== 'thinking' && content.type !== 'opaque');
  const messages: ModelMessage[] = [];
  if (hasContent || results.length > 0) messages.push({ role: 'assistant', content: answer });
  if (results.length > 0) messages.push({ role: 'user', content: results });
  return messages;
}

/** Returns the text of a tool's result for the model. */
export function resultText({ text, repeated }: ToolResult): string {
  return `${text || '(nothing)'}${repeated ? repetitionNotice : ''}`;
}

/** Returns the images of a tool's result that are still stored. */
async function readImages({ details }: ToolResult, readBlob: ReadBlob) {
  const images: { mediaType: z.infer<typeof ImageMediaType>; data: Uint8Array }[] = [];
  for (const { mediaType, blob } of details?.images ?? []) {
    const data = await readBlob(blob);
    if (data) images.push({ mediaType, data });
  }
  return images;
}

/**
 * Joins consecutive messages of the same role, such as after a failed turn or for a tool result before a new message.
 */
function joinConsecutive(messages: readonly ModelMessage[]): ModelMessage[] {
  const joined: ModelMessage[] = [];
  for (const message of messages) {
    const last = joined.at(-1);
    if (last?.role === message.role)
      joined[joined.length - 1] = { role: last.role, content: [...last.content, ...message.content] };
    else joined.push(message);
  }
  return joined;
}

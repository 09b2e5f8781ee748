import { Event } from '@devlm/protocol/events.ts';
import { applyEvent, emptyConversation, shownPath } from '@devlm/protocol/reducer.ts';
import type { BlockState } from '@devlm/protocol/state.ts';
import * as z from 'zod';
import { type Block, text, thinking, toolUse } from './answer.ts';
import { any, type Scenario } from './scenario.ts';

/**
 * Returns scenarios that give the answers of a recorded conversation again: one for each step of the shown branch, in
 * order. Blocks of server tools are left out.
 *
 * @param lines the events of the conversation, one JSON object per line
 */
export function replayOf(lines: string): Scenario[] {
  const events = lines
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => Event.parse(JSON.parse(line)));
  const { turns } = shownPath(events.reduce(applyEvent, emptyConversation('replay')));
  return turns.flatMap(({ steps }) =>
    steps
      .filter(({ status, purpose }) => status === 'ended' && purpose !== 'pause')
      .map(({ blocks }) => ({ match: any, answer: blocks.flatMap(toBlock), times: 1 })),
  );
}

function toBlock({ kind, text: content, tool }: BlockState): Block[] {
  if (kind === 'text') return [text(content)];
  if (kind === 'thinking') return [thinking(content)];
  if (kind !== 'tool_call' || !tool) return [];
  return [toolUse(tool.name, z.record(z.string(), z.json()).parse(JSON.parse(content || '{}')), tool.callId)];
}

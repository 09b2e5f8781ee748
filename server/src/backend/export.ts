import { answerText, turnUsage } from '@devlm/protocol/reducer.ts';
import type { TurnState } from '@devlm/protocol/state.ts';

/** Returns the shown branch of a conversation as Markdown that is readable outside DevLM. */
export function toMarkdown(title: string, turns: readonly TurnState[]): string {
  const parts = [`# ${title.replaceAll('\n', ' ') || 'Conversation'}`];
  for (const turn of turns) {
    parts.push('## You', ...turn.attachments.map(attachmentLine));
    if (turn.text.trim()) parts.push(turn.text.trim());
    parts.push('## DevLM');
    for (const step of turn.steps) {
      if (step.compaction) parts.push('*The previous messages were summarized for the model.*');
      if (step.purpose) continue;
      for (const block of step.blocks) {
        if (block.kind === 'tool_call' && block.tool) parts.push(`*Tool used: ${block.tool.name}.*`);
      }
    }
    const answer = answerText(turn).trim();
    if (answer) parts.push(answer);
    if (turn.status === 'stopped') parts.push('*Stopped.*');
    else if (turn.status === 'failed') parts.push(`*Failed: ${turn.problem?.detail ?? 'unknown reason'}*`);
    else if (turn.status !== 'completed') parts.push('*Not finished.*');
    parts.push(usageLine(turn));
  }
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

function attachmentLine(attachment: TurnState['attachments'][number]): string {
  if (attachment.kind === 'image') return `*Image: ${attachment.name}*`;
  const lines =
    attachment.startLine === undefined
      ? ''
      : `, lines ${attachment.startLine} to ${attachment.endLine ?? attachment.startLine}`;
  return `*Attached: \`${attachment.path}\`${lines}*`;
}

function usageLine(turn: TurnState): string {
  const { inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens, costUsd } = turnUsage(turn);
  const model = turn.steps.at(-1)?.model;
  if (!model) return '';
  const cost = costUsd === null ? '' : `, $${costUsd.toFixed(4)}`;
  return `*${model}: ${inputTokens + cacheReadTokens + cacheWriteTokens} tokens in, ${outputTokens} out${cost}*`;
}

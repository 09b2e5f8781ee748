import type { BlockState } from '@devlm/protocol/state.ts';

/** JSON longer than this is shown as it came. */
const readableChars = 200_000;

/** A call's input for reading: each field on its own, texts as they are. What is not JSON stays as it came. */
export function readableInput({ text }: BlockState): string {
  const value = parsed(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return text;
  return Object.entries(value).map(field).join('\n');
}

function field([name, value]: [string, unknown]): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  return text.includes('\n') ? `${name}:\n${text}` : `${name}: ${text}`;
}

/** A result for reading: JSON over several lines, anything else as it came. */
export function readableResult(text: string): string {
  const value = parsed(text);
  return typeof value === 'object' && value !== null ? JSON.stringify(value, null, 2) : text;
}

function parsed(text: string): unknown {
  if (text.length > readableChars) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

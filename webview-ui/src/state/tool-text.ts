import type { BlockState } from '@devlm/protocol/state.ts';
import { parseJson } from './partial-json.ts';

/** Maximum length of JSON that is formatted, in UTF-16 code units. */
const maxFormattedChars = 200_000;

/** Formats the input of a call: a line per field, with strings unquoted. Text that is not JSON stays as it is. */
export function readableInput({ text }: BlockState): string {
  const value = parsed(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return text;
  return Object.entries(value).map(field).join('\n');
}

function field([name, value]: [string, unknown]): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  return text.includes('\n') ? `${name}:\n${text}` : `${name}: ${text}`;
}

/** Formats a result: JSON is indented, other text stays as it is. */
export function readableResult(text: string): string {
  const value = parsed(text);
  return typeof value === 'object' && value !== null ? JSON.stringify(value, null, 2) : text;
}

function parsed(text: string): unknown {
  return text.length > maxFormattedChars ? undefined : parseJson(text);
}

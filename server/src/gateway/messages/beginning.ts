/** Most of an answer that is held back. */
const heldBytes = 64 * 1024;

/** Longest time that it is held back: by then the client has to see a sign of life. Milliseconds. */
export const heldMs = 10_000;

/**
 * What becomes of an answer whose call could still be made elsewhere. Its beginning is held back until the first
 * content: what fails before that has not been seen by anybody.
 *
 * @param bytes all that has come of it
 */
export function judge(bytes: Buffer): 'hold' | 'pass' | 'failed' {
  const text = bytes.toString('latin1');
  if (text.includes('"content_block_start"')) return 'pass';
  // Errors of a stream come as events: https://platform.claude.com/docs/en/api/errors
  if (/^event: ?error\r?$/m.test(text)) return 'failed';
  return text.length > heldBytes || !'event:'.startsWith(text.slice(0, 6)) ? 'pass' : 'hold';
}

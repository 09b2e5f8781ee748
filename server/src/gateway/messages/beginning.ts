/** Maximum size of the part of an answer that is held back, in bytes. */
const maxHeldBytes = 64 * 1024;

/** Maximum time that an answer is held back, in milliseconds. After that time the client has to receive something. */
export const maxHoldMs = 10_000;

/**
 * Decides whether to hold back, pass on or abandon an answer whose call can still be retried at another instance. The
 * beginning is held back until the first content, so that the client does not see a call that fails before that.
 *
 * @param bytes all bytes of the answer that have been received
 */
export function classifyBeginning(bytes: Buffer): 'hold' | 'pass' | 'failed' {
  const text = bytes.toString('latin1');
  if (text.includes('"content_block_start"')) return 'pass';
  // Errors in a stream are sent as events: https://platform.claude.com/docs/en/api/errors
  if (/^event: ?error\r?$/m.test(text)) return 'failed';
  return text.length > maxHeldBytes || !'event:'.startsWith(text.slice(0, 6)) ? 'pass' : 'hold';
}

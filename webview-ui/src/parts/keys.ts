import { settings } from '../state/app.ts';

/**
 * Returns whether a press of Enter sends the message, according to the user's setting, instead of breaking the line.
 */
export function isSendKey(event: KeyboardEvent): boolean {
  const modified = event.ctrlKey || event.metaKey;
  return settings.value.enterSends ? !event.shiftKey && !event.altKey : modified;
}

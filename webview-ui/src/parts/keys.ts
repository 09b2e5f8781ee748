import { settings } from '../state/app.ts';

/** Whether this press of Enter sends, by the person's setting, rather than breaking the line. */
export function sends(event: KeyboardEvent): boolean {
  const modified = event.ctrlKey || event.metaKey;
  return settings.value.enterSends ? !event.shiftKey && !event.altKey : modified;
}

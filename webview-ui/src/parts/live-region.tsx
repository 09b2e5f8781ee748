import { announcement } from '../state/app.ts';

/** Announces changes to screen readers. */
export function LiveRegion() {
  return (
    <div class="unseen" role="status" aria-live="polite">
      {announcement.value}
    </div>
  );
}

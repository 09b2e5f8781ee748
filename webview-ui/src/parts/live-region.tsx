import { announcement } from '../state/app.ts';

/** Says in a few words what a person who does not see the page has to know. */
export function LiveRegion() {
  return (
    <div class="unseen" role="status" aria-live="polite">
      {announcement.value}
    </div>
  );
}

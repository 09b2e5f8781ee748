import { useEffect, useRef } from 'preact/hooks';
import { t } from '../l10n.ts';
import { toast } from '../state/app.ts';
import { Icon, IconButton } from './icon.tsx';

/** Time for which a toast is shown, in milliseconds. */
const infoMs = 5_000;
/** Time for which an error or a toast with an action is shown, in milliseconds. */
const actionMs = 12_000;

/** The toast at the bottom of the page. It stays while the pointer or the focus is on it. */
export function ToastView() {
  const current = toast.value;
  const held = useRef(false);
  useEffect(() => {
    if (!current) return;
    const close = () => {
      if (held.current) timer = setTimeout(close, 1_000);
      else if (toast.value === current) toast.value = null;
    };
    let timer = setTimeout(close, current.action || current.kind === 'error' ? actionMs : infoMs);
    return () => clearTimeout(timer);
  }, [current]);
  const hold = (on: boolean) => () => {
    held.current = on;
  };
  return (
    <div class="toast-area" role="status" aria-live="polite">
      {current && (
        // biome-ignore lint/a11y/noStaticElementInteractions: only keeps the toast from closing while it is read
        <div
          class={`toast toast-${current.kind}`}
          onMouseEnter={hold(true)}
          onMouseLeave={hold(false)}
          onFocusIn={hold(true)}
          onFocusOut={hold(false)}
        >
          <Icon name={current.kind === 'error' ? 'error' : 'info'} />
          <span class="toast-text">{current.text}</span>
          {current.action && (
            <button
              type="button"
              class="link-button"
              onClick={() => {
                held.current = false;
                toast.value = null;
                current.action?.run();
              }}
            >
              {current.action.label}
            </button>
          )}
          <IconButton
            icon="close"
            label={t('Close')}
            onClick={() => {
              held.current = false;
              toast.value = null;
            }}
          />
        </div>
      )}
    </div>
  );
}

import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Icon } from './icon.tsx';

export interface MenuItem {
  readonly label: string;
  readonly detail?: string;
  readonly icon?: string;
  /** Present on one of several choices. */
  readonly checked?: boolean;
  readonly disabled?: boolean;
  run(): void;
}

interface MenuButtonProps {
  label: string;
  items: readonly MenuItem[];
  class?: string;
  /** Where the menu opens, seen from the button. */
  side: 'above' | 'below';
  /** Opens the menu whenever it grows. */
  openRequests?: number;
  onOpen?(): void;
  children: ComponentChildren;
}

/** A button with a menu. Arrow keys move, a letter jumps, Escape closes; the focus comes back to the button. */
export function MenuButton({ label, items, side, openRequests = 0, onOpen, children, ...rest }: MenuButtonProps) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLDivElement>(null);
  const entries = () => [...(menu.current?.querySelectorAll<HTMLElement>('[role^=menuitem]:not(:disabled)') ?? [])];
  const show = () => {
    onOpen?.();
    setOpen(true);
  };
  const close = (focus: boolean) => {
    setOpen(false);
    if (focus) button.current?.focus();
  };
  useEffect(() => {
    if (openRequests > 0) show();
  }, [openRequests]);
  useLayoutEffect(() => {
    if (!open) return;
    const all = entries();
    (all.find((entry) => entry.getAttribute('aria-checked') === 'true') ?? all[0])?.focus();
    const outside = (event: Event) => {
      const target = event.target;
      if (target instanceof Node && !menu.current?.contains(target) && !button.current?.contains(target))
        setOpen(false);
    };
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  }, [open, items.length]);

  const onKeyDown = (event: KeyboardEvent) => {
    const all = entries();
    const at = all.findIndex((entry) => entry.matches(':focus'));
    const to = (index: number) => all.at(index % all.length)?.focus();
    if (event.key === 'ArrowDown') to(at + 1);
    else if (event.key === 'ArrowUp') to(at - 1);
    else if (event.key === 'Home') to(0);
    else if (event.key === 'End') to(-1);
    else if (event.key === 'Escape') close(true);
    else if (event.key === 'Tab') {
      close(true);
      return;
    } else if (event.key.length === 1 && event.key !== ' ' && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const after = [...all.slice(at + 1), ...all.slice(0, at + 1)];
      after.find((entry) => entry.textContent?.toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="menu-anchor">
      <button
        ref={button}
        type="button"
        class={rest.class ?? 'icon-button'}
        title={label}
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={open}
        onClick={() => (open ? close(true) : show())}
      >
        {children}
      </button>
      {open && (
        <div ref={menu} class={`menu menu-${side}`} role="menu" aria-label={label} tabIndex={-1} onKeyDown={onKeyDown}>
          {items.map((item) => (
            // biome-ignore lint/a11y/useAriaPropsSupportedByRole: the role is menuitemradio whenever it is set
            <button
              key={item.label}
              type="button"
              class="menu-item"
              role={item.checked === undefined ? 'menuitem' : 'menuitemradio'}
              aria-checked={item.checked}
              tabIndex={-1}
              disabled={item.disabled}
              onClick={() => {
                close(true);
                item.run();
              }}
            >
              {item.checked === undefined ? (
                item.icon && <Icon name={item.icon} />
              ) : (
                <Icon name={item.checked ? 'check' : 'blank'} />
              )}
              <span class="menu-label">{item.label}</span>
              {item.detail && <span class="menu-detail">{item.detail}</span>}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

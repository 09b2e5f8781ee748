import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Icon } from './icon.tsx';

/** An entry of a menu. */
export interface MenuItem {
  readonly label: string;
  readonly detail?: string;
  readonly icon?: string;
  /** Set if the entry is one of several choices. */
  readonly checked?: boolean;
  readonly disabled?: boolean;
  run(): void;
}

interface MenuButtonProps {
  label: string;
  items: readonly MenuItem[];
  class?: string;
  /** Position of the menu relative to the button. */
  side: 'above' | 'below';
  /** Opens the menu whenever this number increases. */
  openRequests?: number;
  onOpen?(): void;
  children: ComponentChildren;
}

/** A button with a menu. Arrow keys move, a letter jumps, Escape closes; the focus then returns to the button. */
export function MenuButton({ label, items, side, openRequests = 0, onOpen, children, ...rest }: MenuButtonProps) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const show = () => {
    onOpen?.();
    setOpen(true);
  };
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  useEffect(() => {
    if (openRequests > 0) show();
  }, [openRequests]);

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
        onClick={open ? close : show}
      >
        {children}
      </button>
      {open && (
        <Menu label={label} items={items} side={side} button={button} close={close} dismiss={() => setOpen(false)} />
      )}
    </div>
  );
}

interface MenuProps extends Pick<MenuButtonProps, 'label' | 'items' | 'side'> {
  button: { readonly current: HTMLElement | null };
  /** Closes the menu and returns the focus to the button. */
  close(): void;
  /** Closes the menu and leaves the focus where it is. */
  dismiss(): void;
}

function Menu({ label, items, side, button, close, dismiss }: MenuProps) {
  const menu = useRef<HTMLDivElement>(null);
  const entries = () => [...(menu.current?.querySelectorAll<HTMLElement>('[role^=menuitem]:not(:disabled)') ?? [])];
  useLayoutEffect(() => {
    const all = entries();
    (all.find((entry) => entry.getAttribute('aria-checked') === 'true') ?? all[0])?.focus();
    const onPointerDown = (event: Event) => {
      const target = event.target;
      if (target instanceof Node && !menu.current?.contains(target) && !button.current?.contains(target)) dismiss();
    };
    document.addEventListener('pointerdown', onPointerDown);
    return () => document.removeEventListener('pointerdown', onPointerDown);
  }, [items.length]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Tab') {
      // The browser moves the focus on from the button.
      close();
      return;
    }
    if (event.key === 'Escape') close();
    else if (!moveFocus(event, entries())) return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div ref={menu} class={`menu menu-${side}`} role="menu" aria-label={label} tabIndex={-1} onKeyDown={onKeyDown}>
      {items.map((item) => (
        <MenuEntry key={item.label} item={item} close={close} />
      ))}
    </div>
  );
}

/** Moves the focus among the entries of a menu. Returns false for a key that does not move it. */
function moveFocus(event: KeyboardEvent, entries: readonly HTMLElement[]): boolean {
  const at = entries.findIndex((entry) => entry.matches(':focus'));
  const to = (index: number) => entries.at(index % entries.length)?.focus();
  if (event.key === 'ArrowDown') to(at + 1);
  else if (event.key === 'ArrowUp') to(at - 1);
  else if (event.key === 'Home') to(0);
  else if (event.key === 'End') to(-1);
  else if (event.key.length === 1 && event.key !== ' ' && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const after = [...entries.slice(at + 1), ...entries.slice(0, at + 1)];
    after.find((entry) => entry.textContent?.toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
  } else return false;
  return true;
}

function MenuEntry({ item, close }: { item: MenuItem } & Pick<MenuProps, 'close'>) {
  return (
    // biome-ignore lint/a11y/useAriaPropsSupportedByRole: the role is menuitemradio whenever it is set
    <button
      type="button"
      class="menu-item"
      role={item.checked === undefined ? 'menuitem' : 'menuitemradio'}
      aria-checked={item.checked}
      tabIndex={-1}
      disabled={item.disabled}
      onClick={() => {
        close();
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
  );
}

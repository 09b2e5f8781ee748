import type { ButtonHTMLAttributes, ComponentChildren } from 'preact';

/** A codicon. It is decorative: its container has the label. */
export function Icon({ name, spin }: { name: string; spin?: boolean }) {
  return <span class={`codicon codicon-${name}${spin ? ' codicon-modifier-spin' : ''}`} aria-hidden="true" />;
}

interface IconButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'icon' | 'label'> {
  icon: string;
  label: string;
  pressed?: boolean | undefined;
  disabled?: boolean | undefined;
  children?: ComponentChildren;
}

/** A button with an icon and an accessible label. */
export function IconButton({ icon, label, pressed, children, ...rest }: IconButtonProps) {
  return (
    <button type="button" class="icon-button" title={label} aria-label={label} aria-pressed={pressed} {...rest}>
      <Icon name={icon} />
      {children}
    </button>
  );
}

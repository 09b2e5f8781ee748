import type { ButtonHTMLAttributes, ComponentChildren } from 'preact';

/** A codicon; only decoration, the label belongs to what holds it. */
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

/** A button with an icon and, for those who do not see it, a label. */
export function IconButton({ icon, label, pressed, children, ...rest }: IconButtonProps) {
  return (
    <button type="button" class="icon-button" title={label} aria-label={label} aria-pressed={pressed} {...rest}>
      <Icon name={icon} />
      {children}
    </button>
  );
}

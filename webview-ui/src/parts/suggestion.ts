/** One line of the list above the composer. */
export interface Suggestion {
  readonly id: string;
  readonly icon: string;
  readonly label: string;
  readonly detail: string;
  /** Takes it; `replace` puts text in the place of what was typed to find it, and may look for more behind it. */
  take(replace: (text: string, more?: boolean) => void): void;
}

/** An entry of the list above the composer. */
export interface Suggestion {
  readonly id: string;
  readonly icon: string;
  readonly label: string;
  readonly detail: string;
  /**
   * Accepts the suggestion. `replace` replaces the text that was typed to find it; `more` opens the list again for
   * text that follows.
   */
  take(replace: (text: string, more?: boolean) => void): void;
}

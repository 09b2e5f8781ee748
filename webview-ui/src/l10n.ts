let strings: Readonly<Record<string, string>> = {};

/** Sets the translations that came with `hello`. The keys are the English texts. */
export function useStrings(translations: Readonly<Record<string, string>>): void {
  strings = translations;
}

/** Returns the text in the user's language, with `{0}`, `{1}`, ... replaced by the arguments. */
export function t(english: string, ...args: readonly (string | number)[]): string {
  const text = strings[english] ?? english;
  return args.length === 0 ? text : text.replace(/\{(\d+)\}/g, (whole, index) => String(args[Number(index)] ?? whole));
}

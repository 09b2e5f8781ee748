/** A replacement of a text in a file. */
export interface Edit {
  oldText: string;
  newText: string;
  /** Whether to replace every exact occurrence. Such an edit never matches tolerantly. */
  replaceAll?: boolean | undefined;
  /** 1-based line. Only decides between several exact matches, and only if one starts on this very line. */
  startLine?: number | undefined;
  /** Whether the old text consists of whole lines, as in a patch: it then never matches from the middle of a line. */
  wholeLines?: boolean | undefined;
  /** Lines that name a part of the text (`@@` of a patch), outermost first. The old text must start in that part. */
  within?: readonly string[] | undefined;
  /** Whether the old text must be at the end of the file. */
  atEnd?: boolean | undefined;
}

/** The requested change to a file: edits of its content, a whole new text, or null to remove the file. */
export type WantedFile = { readonly path: string } & (
  | { readonly edits: readonly Edit[] }
  | {
      readonly text: string | null;
      /** Whether the file must not exist yet. */
      readonly create?: boolean;
      /** Whether to keep the line ends of the text. Default: the text gets those of the file that it replaces. */
      readonly exact?: boolean;
      /** Whether the text was not written by a model, so that credentials in it are not placeholders. */
      readonly real?: boolean;
    }
);

export interface Edit {
  oldText: string;
  newText: string;
  /** Every exact occurrence; never by a tolerant match. */
  replaceAll?: boolean | undefined;
  /** 1-based; only decides between several exact matches, and only where one starts on this very line. */
  startLine?: number | undefined;
  /** The old text is whole lines, as in a patch: it never matches from the middle of one. */
  wholeLines?: boolean | undefined;
  /** Lines that name a part of the text (`@@` of a patch), outer first: the old text starts in that part. */
  within?: readonly string[] | undefined;
  /** The old text is the end of the file. */
  atEnd?: boolean | undefined;
}

/** What is to become of a file: edits of what it holds, a whole text, or null to remove it. */
export type Wanted = { readonly path: string } & (
  | { readonly edits: readonly Edit[] }
  | {
      readonly text: string | null;
      /** There must be no such file yet. */
      readonly create?: boolean;
      /** The line ends of the text are meant as they are. Default: it gets those of the file that it replaces. */
      readonly exact?: boolean;
      /** No model wrote the text, so that credentials in it are not placeholders. */
      readonly real?: boolean;
    }
);

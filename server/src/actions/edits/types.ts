/** A replacement of a text in a file. */
export interface Edit {
  oldText: string;
  newText: string;
  /** Replace every exact occurrence. Such an edit never matches tolerantly. */
  replaceAll?: boolean | undefined;
  /** 1-based line. Only decides between several exact matches, and only if one starts on this very line. */
  startLine?: number | undefined;
  /** The old text consists of whole lines, as in a patch: it never matches from the middle of a line. */
  wholeLines?: boolean | undefined;
  /** Lines that name a part of the text (`@@` of a patch), outermost first. The old text must start in that part. */
  within?: readonly string[] | undefined;
  /** The old text is the end of the file. */
  atEnd?: boolean | undefined;
}

/** What is to become of a file: edits of its content, a whole new text, or null to remove it. */
export type WantedFile = { readonly path: string } & (
  | { readonly edits: readonly Edit[] }
  | {
      readonly text: string | null;
      /** The file must not exist yet. */
      readonly create?: boolean;
      /** Keep the line ends of the text as they are. Default: the text gets those of the file that it replaces. */
      readonly exact?: boolean;
      /** The text was not written by a model, so that credentials in it are not placeholders. */
      readonly real?: boolean;
    }
);

import type { RefusalCode } from '../../../server/src/actions/edits/refusal.ts';
import type { Edit } from '../../../server/src/actions/edits/types.ts';

/** Why a case is refused: by the edit engine, or because of the kind of a file. */
export type Code = RefusalCode | 'binary' | 'encoding' | 'exists' | 'missing';

/** Contents of a case's files; null: the file does not exist. A string stands for its UTF-8 bytes. */
export type Files = Readonly<Record<string, string | Uint8Array | null>>;

/**
 * A case: files, a request, and the only right outcome: the bytes of every file afterwards, or the code of the refusal.
 */
export interface Case {
  readonly name: string;
  readonly files: Files;
  /** Edits of the file at `path`, or a patch. */
  readonly ask: readonly Edit[] | string;
  readonly right: Files | Code;
}

export const path = 'file.txt';

/** Returns a case with one edit of one file. */
export function edit(
  name: string,
  file: string | Uint8Array,
  oldText: string,
  newText: string,
  right: { text: string | Uint8Array } | { code: Code },
  more: Partial<Edit> = {},
): Case {
  return edits(name, file, [{ oldText, newText, ...more }], right);
}

/** Returns a case with several edits of one file. */
export function edits(
  name: string,
  file: string | Uint8Array,
  asked: readonly Edit[],
  right: { text: string | Uint8Array } | { code: Code },
): Case {
  return {
    name,
    files: { [path]: file },
    ask: asked,
    right: 'code' in right ? right.code : { [path]: right.text },
  };
}

/** Returns a case with a patch of files; `right` contains only the files that change. */
export function patch(name: string, files: Files, lines: readonly string[], right: Files | Code): Case {
  return { name, files, ask: `${lines.join('\n')}\n`, right };
}

export const is = (text: string | Uint8Array) => ({ text });
export const no = (code: Code) => ({ code });

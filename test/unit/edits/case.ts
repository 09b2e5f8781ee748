import type { RefusalCode } from '../../../server/src/actions/edits/refusal.ts';
import type { Edit } from '../../../server/src/actions/edits/types.ts';

/** Why a case is refused: by the edit engine, or for what a file is. */
export type Code = RefusalCode | 'binary' | 'encoding' | 'exists' | 'missing';

/** What a case's files hold; null: no such file. A string stands for its bytes in UTF-8. */
export type Files = Readonly<Record<string, string | Uint8Array | null>>;

/** One case: files, what is asked of them, and the one right outcome: every file's bytes after, or the refusal's code. */
export interface Case {
  readonly name: string;
  readonly files: Files;
  /** Edits of the file at `path`, or a patch. */
  readonly ask: readonly Edit[] | string;
  readonly right: Files | Code;
}

export const path = 'file.txt';

/** One edit of one file. */
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

/** Several edits of one file. */
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

/** A patch of files; `right` names only the files that change. */
export function patch(name: string, files: Files, lines: readonly string[], right: Files | Code): Case {
  return { name, files, ask: `${lines.join('\n')}\n`, right };
}

export const is = (text: string | Uint8Array) => ({ text });
export const no = (code: Code) => ({ code });

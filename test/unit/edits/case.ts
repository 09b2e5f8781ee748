import { planChanges, type Wanted } from '../../../server/src/actions/edits/changes.ts';
import { parsePatch } from '../../../server/src/actions/edits/patch.ts';
import type { RefusalCode } from '../../../server/src/actions/edits/refusal.ts';
import type { Edit } from '../../../server/src/actions/edits/types.ts';

/** What a case's files hold; null: no such file. A string stands for its bytes in UTF-8. */
export type Files = Readonly<Record<string, string | Uint8Array | null>>;

/** One case: files, what is asked of them, and the one right outcome: every file's bytes after, or the refusal's code. */
export interface Case {
  readonly name: string;
  readonly files: Files;
  readonly ask: readonly Wanted[] | string;
  readonly right: Files | RefusalCode;
}

export const path = 'file.txt';

/** One edit of one file. */
export function edit(
  name: string,
  file: string | Uint8Array,
  oldText: string,
  newText: string,
  right: { text: string | Uint8Array } | { code: RefusalCode },
  more: Partial<Edit> = {},
): Case {
  return edits(name, file, [{ oldText, newText, ...more }], right);
}

/** Several edits of one file. */
export function edits(
  name: string,
  file: string | Uint8Array,
  asked: readonly Edit[],
  right: { text: string | Uint8Array } | { code: RefusalCode },
): Case {
  return {
    name,
    files: { [path]: file },
    ask: [{ path, edits: asked }],
    right: 'code' in right ? right.code : { [path]: right.text },
  };
}

/** A patch of files; `right` names only the files that change. */
export function patch(name: string, files: Files, lines: readonly string[], right: Files | RefusalCode): Case {
  return { name, files, ask: `${lines.join('\n')}\n`, right };
}

export const is = (text: string | Uint8Array) => ({ text });
export const no = (code: RefusalCode) => ({ code });

/** What became of a case: bytes as hex by path (null: removed), or the code of the refusal. */
export type Outcome = Readonly<Record<string, string | null>> | RefusalCode;

export function outcomeOf({ files, ask }: Case): Outcome {
  const parsed = typeof ask === 'string' ? parsePatch(ask) : { ok: true as const, wanted: [...ask] };
  if (!parsed.ok) return parsed.code;
  const held = new Map<string, Uint8Array>();
  for (const [name, content] of Object.entries(files)) if (content !== null) held.set(name, bytesOf(content));
  const plan = planChanges(held, parsed.wanted);
  if (!plan.ok) return plan.code;
  return Object.fromEntries(plan.changes.map(({ path: name, bytes }) => [name, bytes && hex(bytes)]));
}

export function rightOf({ right }: Case): Outcome {
  if (typeof right === 'string') return right;
  return Object.fromEntries(Object.entries(right).map(([name, to]) => [name, to === null ? null : hex(bytesOf(to))]));
}

const bytesOf = (content: string | Uint8Array) => (typeof content === 'string' ? Buffer.from(content) : content);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

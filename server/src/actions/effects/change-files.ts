import type { EditorFile } from '@devlm/protocol/editor.ts';
import type { FileChange, ToolDetails } from '@devlm/protocol/tools.ts';
import { hunksOf } from '@devlm/workspace-core/hunks.ts';
import { lineEndsOf } from '@devlm/workspace-core/line-ends.ts';
import { sha256Hex } from '../../sha256.ts';
import type { Workspace } from '../../workspace/workspace.ts';
import { applyEdits } from '../edits/edit.ts';
import { shownDiff } from '../edits/hunks.ts';
import type { WantedFile } from '../edits/types.ts';
import { permit } from '../policy/permission.ts';
import { addedPlaceholders, type Secrets } from '../secrets/secrets.ts';
import { hideFileText } from '../secrets/uses.ts';
import { done, failed, type ToolContext, type ToolOutcome } from '../tool.ts';
import { listDiagnostics } from './list-diagnostics.ts';

/** A change to one file that was computed but not yet made. */
interface PlannedChange extends FileChange {
  readonly oldText: string | null;
  readonly newText: string | null;
  /** Both texts as they are shown, with placeholders for credentials. */
  readonly shown: { readonly oldText: string; readonly newText: string };
}

/** Maximum number of lines of a diff that the user is shown per file before deciding. */
const maxDiffLines = 400;

/**
 * Changes files, all of them or none. The change is computed from the version that the model has read, allowed by the
 * settings or the user, logged before it happens, and made by the editor or server that has the files. If an earlier
 * server died during the call, the current content of the files tells what is left to do.
 */
export async function changeFiles(
  context: ToolContext,
  tool: string,
  wanted: readonly WantedFile[],
): Promise<ToolOutcome> {
  const workspace = await context.workspace();
  if (context.begun?.changes) return resume(context, workspace, context.begun.changes);
  const planned: PlannedChange[] = [];
  const problems: string[] = [];
  for (const want of wanted) {
    const file = await workspace.read(want.path, context.signal);
    const plan = await planFile(context, want, file);
    if (typeof plan === 'string') problems.push(`${want.path}: ${plan}`);
    else planned.push(plan);
  }
  if (problems.length > 0) return failed(`Nothing was changed.\n${problems.join('\n')}`);
  const paths = planned.map(({ path }) => path);
  const refused = await permit(context, workspace, { tool, effect: 'write', paths }, () => ({
    title: paths.length === 1 ? `Change ${paths[0]}`.slice(0, 200) : `Change ${paths.length} files`,
    detail: planned.map(diffOf).join('\n').slice(0, 100_000),
    format: 'diff',
  }));
  if (refused) return refused;
  for (const { oldText, newText } of planned) {
    for (const text of [oldText, newText]) if (text !== null) await context.putText(text);
  }
  const changes = planned.map(({ oldText: _old, newText: _new, shown: _shown, ...change }) => change);
  await context.begin({ changes });
  return apply(context, workspace, changes);
}

/** Makes changes whose contents are already stored, and returns a description of the outcome. */
async function apply(context: ToolContext, workspace: Workspace, changes: readonly FileChange[]): Promise<ToolOutcome> {
  const texts = await Promise.all(changes.map(({ after }) => (after === null ? null : context.getText(after))));
  const answer = await workspace.apply(
    changes.map(({ path, before, encoding }, i) => ({ path, base: before, text: texts[i] ?? null, encoding })),
    context.signal,
  );
  if (answer.conflicts.length > 0) return failed(await conflictText(context, changes, answer.conflicts));
  const made = await Promise.all(changes.map((change) => changeAsSaved(context, workspace, change, answer.files)));
  const lines = made.map(({ path, before, after, added, removed }) => {
    if (after === null) return `${path} was removed.`;
    return `${path} was ${before === null ? 'created' : 'changed'} (+${added} −${removed}).`;
  });
  const formatted = made.filter(({ after }, i) => after !== changes[i]?.after).map(({ path }) => path);
  if (formatted.length > 0)
    lines.push(`The editor formatted ${formatted.join(', ')} on save. Read again before the next change.`);
  if (answer.diagnostics.length > 0) lines.push(`New problems:\n${listDiagnostics(answer.diagnostics)}`);
  return done(lines.join('\n'), { changes: made, ...acceptedIn(workspace) });
}

/** Returns a message that names the files changed since the change was computed, with what changed in them. */
async function conflictText(
  context: ToolContext,
  changes: readonly FileChange[],
  conflicts: readonly { readonly path: string; readonly file: EditorFile }[],
): Promise<string> {
  const names = conflicts.map(({ path }) => path).join(', ');
  const differences = await Promise.all(
    conflicts.map(async ({ path, file }) => {
      if (file.kind === 'missing') return `${path} was deleted.`;
      const before = changes.find((change) => change.path === path)?.before;
      if (file.kind !== 'text' || !before) return [];
      const diff = await differenceFrom(context, path, before, file.text);
      return diff === '' ? [] : `What changed in ${path}:\n${diff}`;
    }),
  );
  return [
    `Nothing was changed because ${names} changed in the meantime. Read again before you change it.`,
    ...differences.flat(),
  ].join('\n');
}

/**
 * Returns the differences between an earlier version of a file and its text, both as the model sees them.
 *
 * @param version hash of the earlier text; if that text is not stored, the result is empty
 */
async function differenceFrom(
  { getText, secrets }: ToolContext,
  path: string,
  version: string,
  text: string,
): Promise<string> {
  const old = await getText(version);
  return old === null ? '' : shownDiff(hideFileText(secrets, path, old), text);
}

function acceptedIn({ acceptsEdits }: Workspace): Pick<ToolDetails, 'accepted'> {
  return acceptsEdits ? { accepted: true } : {};
}

/** Returns the change as the editor made it: saving may have formatted the file. */
async function changeAsSaved(
  context: ToolContext,
  workspace: Workspace,
  change: FileChange,
  files: readonly { path: string; hash: string | null }[],
): Promise<FileChange> {
  const hash = files.find(({ path }) => path === change.path)?.hash;
  if (hash === undefined || hash === change.after || hash === null) return change;
  const file = await workspace.read(change.path, context.signal);
  if (file.kind !== 'text') return change;
  return { ...change, after: await context.putText(context.secrets.restoreKnown(file.text)) };
}

/**
 * Resumes a call that an earlier server had begun. If each file is either in its old or in its new state, the remaining
 * changes are made now. Any other content was written by someone else.
 */
async function resume(
  context: ToolContext,
  workspace: Workspace,
  changes: readonly FileChange[],
): Promise<ToolOutcome> {
  const currentHashes = await Promise.all(
    changes.map(async ({ path }) => {
      const file = await workspace.read(path, context.signal);
      return file.kind === 'text' ? file.hash : file.kind === 'missing' ? null : file.kind;
    }),
  );
  const rest = changes.filter(({ after }, i) => currentHashes[i] !== after);
  if (rest.length === 0)
    return done('The change had already been made.', { changes: [...changes], ...acceptedIn(workspace) });
  if (changes.every(({ before, after }, i) => currentHashes[i] === before || currentHashes[i] === after)) {
    const outcome = await apply(context, workspace, rest);
    const made = outcome.details?.changes ?? [];
    if (rest.length === changes.length) return outcome;
    if (outcome.ok)
      return {
        ...outcome,
        details: {
          ...outcome.details,
          changes: changes.map((change) => made.find(({ path }) => path === change.path) ?? change),
        },
      };
  }
  const names = changes.map(({ path }) => path).join(', ');
  return failed(
    `The server was restarted during this change, and ${names} changed since then. Read again before you change anything.`,
  );
}

/** Plans the change to one file. Its text and the requested change contain placeholders instead of credentials. */
async function planFile(context: ToolContext, want: WantedFile, file: EditorFile): Promise<PlannedChange | string> {
  const { secrets } = context;
  const known = context.known.get(want.path);
  if (file.kind === 'folder') return 'It is a folder.';
  if (file.kind === 'image') return 'It is an image.';
  if (file.kind === 'unreadable') return file.reason;
  if (file.kind === 'missing') {
    if ('edits' in want || want.text === null)
      return known === undefined ? 'The file does not exist.' : 'The file was deleted since you read it.';
    return plan(want.path, null, shownText(want, secrets), 'utf8', secrets, want.real);
  }
  if ('create' in want && want.create) return 'The file already exists.';
  if (known === undefined) return 'Read the file before you change it.';
  if (known !== file.hash) {
    const diff = await differenceFrom(context, want.path, known, file.text);
    return `The file changed since you read it. Read it again.${diff && ` What changed:\n${diff}`}`;
  }
  if (!('edits' in want)) {
    const wanted = shownText(want, secrets);
    const text = wanted === null || want.exact ? wanted : withLineEndsOf(file.text, wanted);
    if (text === file.text) return 'The file already has exactly this content.';
    return plan(want.path, file, text, file.encoding, secrets, want.real);
  }
  // A text that the model invented may look like a credential, so that the file shows a placeholder in its place.
  const edits = want.edits.map((edit) => ({ ...edit, oldText: secrets.hide(edit.oldText) }));
  const edited = applyEdits(file.text, edits);
  return edited.ok ? plan(want.path, file, edited.text, file.encoding, secrets) : edited.message;
}

function plan(
  path: string,
  old: Extract<EditorFile, { kind: 'text' }> | null,
  text: string | null,
  encoding: string,
  secrets: Secrets,
  real = false,
): PlannedChange | string {
  const shown = { oldText: old?.text ?? '', newText: text ?? '' };
  const added = real ? [] : addedPlaceholders(shown.oldText, shown.newText);
  if (added.length > 0) {
    return `${added.slice(0, 5).join(', ')} is a placeholder for a credential: it can stay where it is, but it cannot be written to another place. Ask the user to put the credential there, or read it from the environment.`;
  }
  const oldText = old && secrets.restoreKnown(old.text);
  const newText = text === null ? null : secrets.restoreKnown(text);
  if (oldText !== null && sha256Hex(oldText) !== old?.hash)
    return 'The file itself contains a placeholder of DevLM. Ask the user to remove it.';
  if (newText?.includes('\0')) return 'The new text contains a NUL character, which a text file cannot contain.';
  if (newText?.isWellFormed() === false) return 'The new text contains half a character (a lone surrogate).';
  const hunks = hunksOf(shown.oldText, shown.newText);
  const lines = (texts: string[]) =>
    texts.reduce((sum, text) => sum + (text.match(/\r\n|\r|\n|[^\r\n]$/g) ?? []).length, 0);
  return {
    path,
    before: oldText === null ? null : sha256Hex(oldText),
    after: newText === null ? null : sha256Hex(newText),
    encoding,
    added: lines(hunks.map(({ after }) => after)),
    removed: lines(hunks.map(({ before }) => before)),
    oldText,
    newText,
    shown,
  };
}

function shownText({ text, real }: { text: string | null; real?: boolean }, secrets: Secrets): string | null {
  return text !== null && real ? secrets.hide(text) : text;
}

/** Returns a whole new text with the line ends of the old one, if those are all of one kind. */
function withLineEndsOf(old: string, text: string): string {
  const ends = { crlf: '\r\n', cr: '\r', lf: '\n' } as const;
  const kind = lineEndsOf(old);
  return kind in ends ? text.replace(/\r\n|\r|\n/g, ends[kind as keyof typeof ends]) : text;
}

function diffOf({ path, before, after, shown }: PlannedChange): string {
  const what = before === null ? ' (new)' : after === null ? ' (removed)' : '';
  return `${path}${what}\n${shownDiff(shown.oldText, shown.newText, maxDiffLines)}`;
}

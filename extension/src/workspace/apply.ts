import type { EditorAnswerOf, EditorChange } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';
import { diagnosticsNow, newDiagnostics, watchDiagnostics } from './diagnostics.ts';
import { type Folder, filePlace, type Place } from './places.ts';
import { editsOf, plan, type Step } from './plan.ts';
import { refusals } from './problems.ts';
import { putBack } from './put-back.ts';
import { isMissing, type Look, look, sameBytes } from './read.ts';

/** Text of conflicting files that one answer brings, in UTF-16 code units. */
const conflictChars = limits.fileBytes;

export interface ApplyContext {
  readonly folders: readonly Folder[];
  readonly trusted: boolean;
  readonly signal: AbortSignal;
}

/**
 * Changes all files or none. Files without unsaved changes are saved; the others keep theirs, unsaved.
 * The editor can undo it, but for files that a text document cannot hold exactly (mixed line ends):
 * those are written as they shall be.
 *
 * @throws ProblemError where it may not or cannot be done; nothing has changed then
 */
export async function applyChanges(
  changes: readonly EditorChange[],
  context: ApplyContext,
): Promise<EditorAnswerOf<'apply'>> {
  if (!context.trusted) throw refusals.restricted();
  const places = await placesOf(changes, context.folders);
  const find = async () =>
    await Promise.all(
      changes.map(async (change, i) => {
        const place = places[i];
        if (!place) throw new Error('a change without its file');
        return { change, place, before: await look(place) };
      }),
    );
  const isConflict = ({ change, before }: { change: EditorChange; before: Look }) => !isBase(before, change.base);
  const found = await find();
  if (found.some(isConflict)) return answerConflicts(found.filter(isConflict));
  const steps: Step[] = [];
  for (const { change, place, before } of found) steps.push(await plan(change, place, before));
  // Documents may have been opened for it, which takes its time.
  const again = await find();
  if (again.some(isConflict)) return answerConflicts(again.filter(isConflict));
  context.signal.throwIfAborted();

  const uris = places.map(({ uri }) => uri);
  const earlier = diagnosticsNow(uris, context.folders);
  const watch = watchDiagnostics(uris);
  try {
    await perform(steps);
    const files = await Promise.all(
      steps.map(async ({ place }) => {
        const { file } = await look(place);
        return { path: place.path, hash: file.kind === 'text' ? file.hash : null };
      }),
    );
    if (await reported(steps)) await watch.settled(context.signal);
    return { conflicts: [], files, diagnostics: newDiagnostics(earlier, diagnosticsNow(uris, context.folders)) };
  } finally {
    watch.dispose();
  }
}

/** Whether any language may have something to say about the files; those that are not open are opened to it. */
async function reported(steps: readonly Step[]): Promise<boolean> {
  const changed = steps.filter(({ how }) => how === 'create' || how === 'write' || how === 'edit');
  const languages = await Promise.all(
    changed.map(({ place }) =>
      vscode.workspace.openTextDocument(place.uri).then(
        ({ languageId }) => languageId,
        () => 'plaintext',
      ),
    ),
  );
  return languages.some((language) => language !== 'plaintext');
}

async function placesOf(changes: readonly EditorChange[], folders: readonly Folder[]): Promise<Place[]> {
  const places = await Promise.all(changes.map(({ path }) => filePlace(path, folders)));
  const seen = new Set<string>();
  for (const { path, uri } of places) {
    if (seen.has(uri.toString())) throw refusals.twice(path);
    seen.add(uri.toString());
  }
  return places;
}

function isBase({ file }: Look, base: string | null): boolean {
  return base === null ? file.kind === 'missing' : file.kind === 'text' && file.hash === base;
}

function answerConflicts(
  conflicts: readonly { readonly place: Place; readonly before: Look }[],
): EditorAnswerOf<'apply'> {
  let left: number = conflictChars;
  return {
    conflicts: conflicts.map(({ place: { path }, before: { file } }) => {
      const chars = file.kind === 'text' ? file.text.length : file.kind === 'image' ? file.data.length : 0;
      left -= chars;
      if (left >= 0 || chars === 0) return { path, file };
      return {
        path,
        file: { kind: 'unreadable', reason: 'It changed, and is too long to be shown here.', bytes: null },
      };
    }),
    files: [],
    diagnostics: [],
  };
}

async function perform(steps: readonly Step[]): Promise<void> {
  const edit = new vscode.WorkspaceEdit();
  // The edit's own size does not count files that are made or removed.
  const isEmpty = steps.every(({ how }) => how === 'keep' || how === 'write');
  // First what may fail, last what only changes memory.
  for (const step of steps) if (step.how === 'delete') edit.deleteFile(step.place.uri, { recursive: false });
  for (const step of steps) if (step.how === 'create') edit.createFile(step.place.uri, { contents: step.bytes });
  for (const step of steps) {
    if (step.how !== 'edit') continue;
    const { document, version, dirty, place } = step;
    if (document.isClosed || document.version !== version || document.isDirty !== dirty) {
      throw refusals.notApplied(`${place.path} is being changed`);
    }
    edit.set(place.uri, editsOf(document, step.text));
  }
  const saved = new Set<Step>();
  try {
    if (!isEmpty && !(await vscode.workspace.applyEdit(edit))) throw new Error('it refused the edit');
    for (const step of steps) if (step.how === 'write') await vscode.workspace.fs.writeFile(step.place.uri, step.bytes);
    for (const step of steps) await verify(step);
    for (const step of steps) {
      if (step.how !== 'edit' || step.dirty) continue;
      await save(step.document);
      saved.add(step);
    }
  } catch (error) {
    const why =
      error instanceof ProblemError ? error.problem.detail : error instanceof Error ? error.message : String(error);
    const left = await putBack(steps, saved);
    throw left.length > 0 ? refusals.notPutBack(left, why, error) : refusals.notApplied(why, error);
  }
}

/** Before anything is saved: formatting may change it after that. */
async function verify(step: Step): Promise<void> {
  const { uri, path } = step.place;
  const wrong = () => new Error(`${path} does not hold what it should`);
  if (step.how === 'edit' && step.document.getText() !== step.text) throw wrong();
  if (step.how === 'create' || step.how === 'write') {
    if (!sameBytes(await vscode.workspace.fs.readFile(uri), step.bytes)) throw wrong();
  }
  if (step.how === 'delete') {
    const gone = await vscode.workspace.fs.stat(uri).then(
      () => false,
      (error: unknown) => isMissing(error),
    );
    if (!gone) throw wrong();
  }
}

async function save(document: vscode.TextDocument): Promise<void> {
  // It may have been saved by the editor's own automatism.
  if (!document.isDirty) return;
  await document.save();
  if (document.isDirty) throw new Error(`${document.uri.path.split('/').at(-1)} could not be saved`);
}

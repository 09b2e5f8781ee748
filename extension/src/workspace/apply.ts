import type { EditorAnswerOf, EditorChange } from '@devlm/protocol/editor.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';
import { diagnosticsNow, newDiagnostics, watchDiagnostics } from './diagnostics.ts';
import { type Folder, filePlace, type Place } from './places.ts';
import { editsOf, plan, type Step } from './plan.ts';
import { refusals } from './problems.ts';
import { type FileSnapshot, isMissing, sameBytes, snapshotFile } from './read.ts';
import { rollBack } from './rollback.ts';

/** Maximum text of conflicting files in a response, in UTF-16 code units. */
const maxConflictChars = limits.fileBytes;

/** The workspace that changes are applied to. */
export interface ApplyContext {
  readonly folders: readonly Folder[];
  readonly trusted: boolean;
  readonly signal: AbortSignal;
}

/**
 * Applies all changes or none. Files without unsaved changes are saved; the others stay unsaved. The editor can undo
 * the changes, except in files that a text document cannot represent exactly (mixed line endings), which are written
 * directly.
 *
 * @throws ProblemError if a change is not allowed or fails; nothing has changed then
 */
export async function applyChanges(
  changes: readonly EditorChange[],
  context: ApplyContext,
): Promise<EditorAnswerOf<'apply'>> {
  if (!context.trusted) throw refusals.restricted();
  const places = await placesOf(changes, context.folders);
  const snapshotFiles = async () =>
    await Promise.all(
      changes.map(async (change, i) => {
        const place = places[i];
        if (!place) throw new Error('a change has no file');
        return { change, place, before: await snapshotFile(place) };
      }),
    );
  const isConflict = ({ change, before }: { change: EditorChange; before: FileSnapshot }) =>
    !isBase(before, change.base);
  const files = await snapshotFiles();
  if (files.some(isConflict)) return answerConflicts(files.filter(isConflict));
  const steps: Step[] = [];
  for (const { change, place, before } of files) steps.push(await plan(change, place, before));
  // Check again: opening documents takes time.
  const filesNow = await snapshotFiles();
  if (filesNow.some(isConflict)) return answerConflicts(filesNow.filter(isConflict));
  context.signal.throwIfAborted();

  const uris = places.map(({ uri }) => uri);
  const earlier = diagnosticsNow(uris, context.folders);
  const watch = watchDiagnostics(uris);
  try {
    await perform(steps);
    const files = await Promise.all(
      steps.map(async ({ place }) => {
        const { file } = await snapshotFile(place);
        return { path: place.path, hash: file.kind === 'text' ? file.hash : null };
      }),
    );
    if (await mayHaveDiagnostics(steps)) await watch.settled(context.signal);
    return { conflicts: [], files, diagnostics: newDiagnostics(earlier, diagnosticsNow(uris, context.folders)) };
  } finally {
    watch.dispose();
  }
}

/** Returns whether a language extension may report on the changed files. Opens those that are not open. */
async function mayHaveDiagnostics(steps: readonly Step[]): Promise<boolean> {
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

function isBase({ file }: FileSnapshot, base: string | null): boolean {
  return base === null ? file.kind === 'missing' : file.kind === 'text' && file.hash === base;
}

function answerConflicts(
  conflicts: readonly { readonly place: Place; readonly before: FileSnapshot }[],
): EditorAnswerOf<'apply'> {
  let remainingChars: number = maxConflictChars;
  return {
    conflicts: conflicts.map(({ place: { path }, before: { file } }) => {
      const chars = file.kind === 'text' ? file.text.length : file.kind === 'image' ? file.data.length : 0;
      remainingChars -= chars;
      if (remainingChars >= 0 || chars === 0) return { path, file };
      return {
        path,
        file: { kind: 'unreadable', reason: 'It has changed, and is too long to show here.', bytes: null },
      };
    }),
    files: [],
    diagnostics: [],
  };
}

async function perform(steps: readonly Step[]): Promise<void> {
  const edit = new vscode.WorkspaceEdit();
  // The size of a WorkspaceEdit does not count file creations and deletions.
  const isEmpty = steps.every(({ how }) => how === 'keep' || how === 'write');
  // Operations that can fail come first, changes in memory last.
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
    if (!isEmpty && !(await vscode.workspace.applyEdit(edit))) throw new Error('the edit was rejected');
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
    const failedPaths = await rollBack(steps, saved);
    throw failedPaths.length > 0 ? refusals.rollbackFailed(failedPaths, why, error) : refusals.notApplied(why, error);
  }
}

/** Throws if a file does not have its new content. Runs before saving, because saving may format the file. */
async function verify(step: Step): Promise<void> {
  const { uri, path } = step.place;
  const mismatch = () => new Error(`${path} does not have its new content`);
  if (step.how === 'edit' && step.document.getText() !== step.text) throw mismatch();
  if (step.how === 'create' || step.how === 'write') {
    if (!sameBytes(await vscode.workspace.fs.readFile(uri), step.bytes)) throw mismatch();
  }
  if (step.how === 'delete') {
    const isGone = await vscode.workspace.fs.stat(uri).then(
      () => false,
      (error: unknown) => isMissing(error),
    );
    if (!isGone) throw mismatch();
  }
}

async function save(document: vscode.TextDocument): Promise<void> {
  // Auto save may already have saved it.
  if (!document.isDirty) return;
  await document.save();
  if (document.isDirty) throw new Error(`${document.uri.path.split('/').at(-1)} could not be saved`);
}

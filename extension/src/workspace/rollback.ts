import * as vscode from 'vscode';
import { editsOf, type Step } from './plan.ts';
import { isMissing, sameBytes } from './read.ts';

/**
 * Undoes the completed steps of a failed change. Content that others wrote in the meantime stays.
 *
 * @param saved the steps whose documents were saved and may have been formatted
 * @returns the paths that could not be restored
 */
export async function rollBack(steps: readonly Step[], saved: ReadonlySet<Step>): Promise<string[]> {
  const failedPaths: string[] = [];
  for (const step of steps.toReversed()) {
    try {
      await rollBackStep(step, saved.has(step));
    } catch {
      failedPaths.push(step.place.path);
    }
  }
  return failedPaths;
}

async function rollBackStep(step: Step, isSaved: boolean): Promise<void> {
  if (step.how === 'keep') return;
  const { uri } = step.place;
  const current = await vscode.workspace.fs.readFile(uri).then((bytes) => bytes, ignoreMissing);
  if (step.how === 'delete') {
    if (!current) await restore(step);
    return;
  }
  // The file holds all or the beginning of what we wrote.
  const isOurs = isSaved || (current !== undefined && sameBytes(current, step.bytes.subarray(0, current.length)));
  if (step.how === 'create') {
    if (isOurs) await vscode.workspace.fs.delete(uri, { useTrash: false });
    for (const folder of step.madeFolders.toReversed()) {
      // Deletion fails if the folder is not empty, because others put something there.
      await vscode.workspace.fs.delete(folder, { recursive: false, useTrash: false }).then(undefined, () => undefined);
    }
  }
  if (step.how === 'write' && isOurs) await restore(step);
  if (step.how === 'edit') {
    const { document, old, dirty } = step;
    if (document.getText() !== old) {
      const edit = new vscode.WorkspaceEdit();
      edit.set(uri, editsOf(document, old));
      await vscode.workspace.applyEdit(edit);
      if (document.getText() !== old) throw new Error('the document did not accept its original text');
    }
    if (dirty) return;
    if (isOurs) await restore(step);
    if (document.isDirty) await revert(document);
  }
}

/**
 * Clears the unsaved mark of a document whose text is that of its file. The editor can only do so in the active
 * editor.
 */
async function revert(document: vscode.TextDocument): Promise<void> {
  const active = vscode.window.activeTextEditor;
  await vscode.window.showTextDocument(document, { preserveFocus: true });
  await vscode.commands.executeCommand('workbench.action.files.revert');
  if (!active || active.document === document) return;
  await vscode.window.showTextDocument(active.document, { viewColumn: active.viewColumn, preserveFocus: true });
}

async function restore({ place: { uri }, before }: Step): Promise<void> {
  if (!before.bytes) throw new Error('the original bytes are unknown');
  await vscode.workspace.fs.writeFile(uri, before.bytes);
}

function ignoreMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
  return undefined;
}

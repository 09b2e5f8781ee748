import * as vscode from 'vscode';
import { editsOf, type Step } from './plan.ts';
import { isMissing, sameBytes } from './read.ts';

/**
 * Undoes what was done of a change that failed. What somebody else has written meanwhile stays.
 *
 * @param saved those whose documents were saved, perhaps formatted
 * @returns the paths where that failed too
 */
export async function putBack(steps: readonly Step[], saved: ReadonlySet<Step>): Promise<string[]> {
  const left: string[] = [];
  for (const step of steps.toReversed()) {
    try {
      await putBackOne(step, saved.has(step));
    } catch {
      left.push(step.place.path);
    }
  }
  return left;
}

async function putBackOne(step: Step, isSaved: boolean): Promise<void> {
  if (step.how === 'keep') return;
  const { uri } = step.place;
  const now = await vscode.workspace.fs.readFile(uri).then((bytes) => bytes, ignoreMissing);
  if (step.how === 'delete') {
    if (!now) await restore(step);
    return;
  }
  // All or the beginning of what was to be written.
  const isOurs = isSaved || (now !== undefined && sameBytes(now, step.bytes.subarray(0, now.length)));
  if (step.how === 'create') {
    if (isOurs) await vscode.workspace.fs.delete(uri, { useTrash: false });
    for (const folder of step.madeFolders.toReversed()) {
      // Not empty: somebody else put something there.
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
      if (document.getText() !== old) throw new Error('the document did not take its old text');
    }
    if (dirty) return;
    if (isOurs) await restore(step);
    if (document.isDirty) await revert(document);
  }
}

/** Its text is that of the file again, but it counts as unsaved; only the active editor can be told otherwise. */
async function revert(document: vscode.TextDocument): Promise<void> {
  const active = vscode.window.activeTextEditor;
  await vscode.window.showTextDocument(document, { preserveFocus: true });
  await vscode.commands.executeCommand('workbench.action.files.revert');
  if (!active || active.document === document) return;
  await vscode.window.showTextDocument(active.document, { viewColumn: active.viewColumn, preserveFocus: true });
}

async function restore({ place: { uri }, before }: Step): Promise<void> {
  if (!before.bytes) throw new Error('its bytes are not known');
  await vscode.workspace.fs.writeFile(uri, before.bytes);
}

function ignoreMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
  return undefined;
}

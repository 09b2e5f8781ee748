import { EditorAnswer, EditorHello } from '@devlm/protocol/editor.ts';
import * as vscode from 'vscode';
import { Requests } from '../../../extension/src/workspace/requests.ts';
import { workspaceHandlers } from '../../../extension/src/workspace/shared-workspace.ts';
import { Editors } from '../../../server/src/workspace/editors.ts';
import type { Workspace } from '../../../server/src/workspace/workspace.ts';
import type { Case } from '../../unit/edits/case.ts';
import { corpus } from '../../unit/edits/corpus/all.ts';
import { outcomeOf, rightOf } from '../../unit/edits/outcome.ts';
import { check, inFolder, same } from './shared-folder.ts';

/*
 * Runs the corpus of edits through the server's tools and the extension's side of a workspace. The whole corpus would
 * take about 20 seconds of processor time; test/unit/edits/ runs all of it on the server's folders.
 */

/** Number of cases that run concurrently. */
const atOnce = 16;

/** The cases that run: all with file operations, every second one with unusual bytes, and every 20th of the others. */
const cases = corpus.filter(
  (each, index) => index % (hasFileOperations(each) ? 1 : hasOtherBytes(each) ? 2 : 20) === 0,
);

/** Returns whether the case has several files, or creates or deletes some. */
function hasFileOperations({ files, right }: Case): boolean {
  if (Object.keys(files).length !== 1) return true;
  return typeof right !== 'string' && Object.entries(right).some(([path, to]) => to === null || !(path in files));
}

/** Returns whether a file is not stored as UTF-8 with LF line endings. */
function hasOtherBytes({ files }: Case): boolean {
  return Object.values(files).some(
    (content) => typeof content !== 'string' || content.includes('\r') || !content.endsWith('\n'),
  );
}

/** A folder as the server gets it from a window: the production code of both sides without the connection. */
async function lentWorkspace(folder: string, signal: AbortSignal): Promise<Workspace> {
  const editors = new Editors();
  const requests = new Requests({
    handlers: workspaceHandlers({
      folders: () => [{ name: 'root', uri: vscode.Uri.file(folder) }],
      trusted: () => true,
    }),
    send: async (id, answer) => editors.answer(id, EditorAnswer.parse(asJson(answer))),
    log: { trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error },
  });
  const hello = EditorHello.parse({
    windowId: 'window',
    projectId: 'project',
    trusted: true,
    folders: [{ name: 'root', path: folder }],
    rules: { user: null, workspace: null },
  });
  void (async () => {
    for await (const messages of editors.attach(hello, signal))
      for (const { data } of messages) void requests.take(asJson(data));
    requests.dispose();
  })();
  return await editors.workspace('project', signal);
}

function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

inFolder('edits of the corpus produce the expected bytes', async (bench) => {
  const stop = new AbortController();
  const wrong: string[] = [];
  const left = cases.entries();
  const work = async () => {
    // All workers take from the same iterator.
    for (const [index, each] of left) {
      const folder = bench.path(`${index}`);
      try {
        same(await outcomeOf(each, folder, await lentWorkspace(folder, stop.signal)), rightOf(each));
      } catch (error) {
        wrong.push(`${each.name}: ${String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work)).finally(() => stop.abort());
  check(cases.length >= 75, `only ${cases.length} cases run`);
  check(wrong.length === 0, `${wrong.length} of ${cases.length} are wrong:\n${wrong.join('\n').slice(0, 8_000)}`);
});

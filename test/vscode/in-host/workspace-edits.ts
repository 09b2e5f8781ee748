import { EditorAnswer, EditorHello } from '@devlm/protocol/editor.ts';
import * as vscode from 'vscode';
import { workspaceHandlers } from '../../../extension/src/workspace/lend.ts';
import { Requests } from '../../../extension/src/workspace/requests.ts';
import { Editors } from '../../../server/src/workspace/editors.ts';
import type { Workspace } from '../../../server/src/workspace/workspace.ts';
import type { Case } from '../../unit/edits/case.ts';
import { corpus } from '../../unit/edits/corpus/all.ts';
import { outcomeOf, rightOf } from '../../unit/edits/outcome.ts';
import { check, inFolder, same } from './lent-folder.ts';

/*
 * The corpus of edits through the tools of the server and the extension's own half of a workspace. The whole corpus
 * would take some twenty seconds of the processor; on the server's folders all of it runs (test/unit/edits/).
 */

/** Cases that run at a time. */
const atOnce = 16;

/** The share of the corpus that runs: one in so many cases, and fewer of those in which the editor matters less. */
const cases = corpus.filter(
  (each, index) => index % (hasFileOperations(each) ? 1 : hasOtherBytes(each) ? 2 : 20) === 0,
);

/** Whether there are several files, or some are to be made or removed. */
function hasFileOperations({ files, right }: Case): boolean {
  if (Object.keys(files).length !== 1) return true;
  return typeof right !== 'string' && Object.entries(right).some(([path, to]) => to === null || !(path in files));
}

/** Whether a file is stored in another way than as UTF-8 whose lines all end in LF. */
function hasOtherBytes({ files }: Case): boolean {
  return Object.values(files).some(
    (content) => typeof content !== 'string' || content.includes('\r') || !content.endsWith('\n'),
  );
}

/** A folder as the server has it from a window: all that ships on both sides but the connection. */
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

inFolder('edits of the corpus come out right, to the byte', async (bench) => {
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

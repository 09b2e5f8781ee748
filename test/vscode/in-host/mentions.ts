import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { FilesAnswer, Mention } from '@devlm/protocol/page.ts';
import * as vscode from 'vscode';
import { findFolders } from '../../../extension/src/editor/find-files.ts';
import { gitDiff } from '../../../extension/src/editor/git-diff.ts';
import { findSymbols, readMention } from '../../../extension/src/editor/mentions.ts';
import { TerminalOutput } from '../../../extension/src/editor/terminal-output.ts';
import { test } from '../../support/vscode/harness.ts';
import { check, same } from './shared-folder.ts';

/*
 * Tests mentions with `@` in the real editor: its language servers, problems and terminal, and real Git
 * repositories.
 */

const run = promisify(execFile);
const noTerminal = { last: () => undefined };
const folder = (): vscode.Uri => {
  const first = vscode.workspace.workspaceFolders?.[0];
  check(first !== undefined, 'no folder is open');
  return first.uri;
};
/** Creates a file in the workspace while the work runs. */
async function withFile(name: string, text: string, work: (uri: vscode.Uri) => Promise<void>): Promise<void> {
  const uri = vscode.Uri.joinPath(folder(), name);
  await vscode.workspace.fs.writeFile(uri, Buffer.from(text));
  try {
    await work(uri);
  } finally {
    const top = vscode.Uri.joinPath(folder(), name.split('/')[0] ?? name);
    await vscode.workspace.fs.delete(top, { recursive: true });
  }
}
const read = async (mention: Mention): Promise<FilesAnswer['attachments'][number]> => {
  const { attachments, problems } = await readMention(mention, noTerminal);
  const [only] = attachments;
  check(only !== undefined, `nothing was attached: ${problems.join(' ')}`);
  return only;
};

test('@symbol finds symbols of a language server, and attaches the whole definition', async () => {
  await withFile('mention.devlm-test', 'head\ndef shop\n  sell\nend\ntail', async (uri) => {
    const range = new vscode.Range(1, 0, 3, 3);
    const { Class } = vscode.SymbolKind;
    const symbols = vscode.languages.registerWorkspaceSymbolProvider({
      provideWorkspaceSymbols: (query) =>
        query === 'shop' ? [new vscode.SymbolInformation('shop', Class, '', new vscode.Location(uri, range))] : [],
    });
    const outline = vscode.languages.registerDocumentSymbolProvider(
      { pattern: '**/*.devlm-test' },
      { provideDocumentSymbols: () => [new vscode.DocumentSymbol('shop', '', Class, range, range)] },
    );
    try {
      const { items } = await findSymbols('shop');
      const found = items.find(({ path }) => path === 'mention.devlm-test');
      same(found, { name: 'shop', kind: 'class', path: 'mention.devlm-test', line: 2 });
      const attached = await read({ kind: 'symbol', name: 'shop', path: 'mention.devlm-test', line: 2 });
      same(attached.kind === 'symbol' && [attached.startLine, attached.endLine, attached.text], [
        2,
        4,
        'def shop\n  sell\nend',
      ]);
    } finally {
      symbols.dispose();
      outline.dispose();
    }
  });
  const outside = await readMention({ kind: 'symbol', name: 'x', path: '/etc/passwd', line: 1 }, noTerminal);
  same(outside.attachments, []);
});

test('@folder lists a folder with its small files', async () => {
  await withFile('mentioned/deep/a.txt', 'text of a', async () => {
    const attached = await read({ kind: 'folder', path: 'mentioned' });
    check(attached.kind === 'folder' && attached.text.includes('mentioned/deep/a.txt'), 'it is not listed');
    check(attached.kind === 'folder' && attached.text.includes('text of a'), 'its text is missing');
  });
  check((await findFolders('')).length > 0, 'no folder is found');
  const { problems } = await readMention({ kind: 'folder', path: '../..' }, noTerminal);
  check(problems.length === 1, 'a folder outside was attached');
});

test('@problems attaches the problems that the editor shows', async () => {
  const shown = vscode.languages.createDiagnosticCollection('devlm-test');
  const wrong = new vscode.Diagnostic(new vscode.Range(2, 0, 2, 5), 'seven is not defined');
  wrong.source = 'tester';
  shown.set(vscode.Uri.joinPath(folder(), 'a.py'), [wrong]);
  try {
    const attached = await read({ kind: 'problems' });
    check(attached.kind === 'problems', 'it is something else');
    check(attached.text.includes('a.py:3 error: seven is not defined (tester)'), attached.text.slice(0, 500));
  } finally {
    shown.dispose();
  }
});

test('@git attaches the staged changes or those of a branch, and runs no program that the repository configures', async () => {
  const root = await mkdtemp(join(tmpdir(), 'devlm-git-'));
  const git = async (...args: string[]) => {
    const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'commit.gpgsign=false'];
    await run('git', [...who, ...args], { cwd: root });
  };
  try {
    same(await gitDiff('staged', root), null);
    await git('init', '--initial-branch=main');
    await writeFile(join(root, 'a.txt'), 'one\n');
    await writeFile(join(root, '.gitattributes'), '*.txt diff=hostile\n');
    await git('add', '.');
    await git('commit', '-m', 'first');
    const script = join(root, 'hostile.sh');
    await writeFile(script, `#!/bin/sh\necho ran >> "${root}/ran"\ncat "$1" 2>/dev/null\n`);
    await chmod(script, 0o755);
    for (const name of [
      'diff.external',
      'diff.hostile.command',
      'diff.hostile.textconv',
      'core.fsmonitor',
      'core.pager',
    ])
      await git('config', name, script);
    same((await gitDiff('staged', root))?.text, '');
    await git('-c', 'core.fsmonitor=false', 'checkout', '-b', 'work');
    await writeFile(join(root, 'a.txt'), 'one\ntwo\n');
    await git('-c', 'core.fsmonitor=false', 'add', 'a.txt');
    const ran = () => readFile(join(root, 'ran'), 'utf8').catch(() => '');
    await rm(join(root, 'ran'), { force: true });
    const staged = await gitDiff('staged', root);
    check(staged?.text.includes('+two') === true, `not staged: ${staged?.text}`);
    same(await ran(), '', 'a program of the repository ran:');
    await git('-c', 'core.fsmonitor=false', 'commit', '-m', 'second');
    await rm(join(root, 'ran'), { force: true });
    const branch = await gitDiff('branch', root);
    same(branch?.base, 'main');
    check(branch?.text.includes('+two') === true, `not of the branch: ${branch?.text}`);
    same((await gitDiff('staged', root))?.text, '');
    same(await ran(), '', 'a program of the repository ran:');
    // Without the safe options, these programs would run.
    await git('diff', 'main');
    check((await ran()) !== '', 'the programs are not of the kind that git runs');
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

test('@terminal says if the editor captured no output', async () => {
  const quiet = { last: () => ({ line: 'make', output: '', exitCode: 2 }) };
  const { attachments } = await readMention({ kind: 'terminal' }, quiet);
  const [attached] = attachments;
  check(attached?.kind === 'terminal', 'nothing was attached');
  same(attached.text, '$ make\n(The editor captured no output.)\n(exit code 2)');
});

test('@terminal attaches the last command with its output, or says that there is none', async () => {
  const { problems } = await readMention({ kind: 'terminal' }, noTerminal);
  check(problems[0]?.includes('has not reported a command') === true, problems.join(' '));
  // The oldest supported editor's server has no shell integration.
  const engines: unknown = vscode.extensions.getExtension('devlm.devlm')?.packageJSON.engines.vscode;
  if (typeof engines === 'string' && vscode.version.startsWith(engines.replace(/^\^(\d+\.\d+)\..*$/, '$1.'))) return;
  const terminals = new TerminalOutput();
  const terminal = vscode.window.createTerminal({ name: 'devlm-test', shellPath: '/bin/bash' });
  try {
    terminal.show();
    for (const until = performance.now() + 30_000; !terminal.shellIntegration; await sleep(100))
      check(performance.now() < until, 'the shell has no integration');
    // Sleep first: this editor loses the output of a command that ends before its start is reported.
    terminal.shellIntegration.executeCommand('sleep 1; echo "hello $((40 + 2))"; (exit 3)');
    for (const until = performance.now() + 20_000; terminals.last()?.exitCode === undefined; await sleep(100))
      check(performance.now() < until, 'the command did not end');
    const { attachments } = await readMention({ kind: 'terminal' }, terminals);
    const [attached] = attachments;
    check(attached?.kind === 'terminal', 'nothing was attached');
    check(/^hello 42$/m.test(attached.text) && attached.text.endsWith('(exit code 3)'), attached.text);
  } finally {
    terminal.dispose();
    terminals.dispose();
  }
});

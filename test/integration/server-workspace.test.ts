import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { ToolResult, TurnState } from '@devlm/protocol/state.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { Editors } from '../../server/src/workspace/editors.ts';
import { ProjectFolders } from '../../server/src/workspace/folder/project-folders.ts';
import { Workspaces } from '../../server/src/workspace/workspaces.ts';
import { toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { EditorWindow } from '../support/editor-window.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';
import { pathAttacks } from '../unit/guards/path-attacks.ts';

/*
 * Tests a project without an editor: its files are in a folder on the server, and all access is through the API.
 */

type Call = [name: string, input: object];
const Sent = z.object({ tools: z.array(z.object({ name: z.string() })) });
const resultsOf = (turn: TurnState): ToolResult[] => turn.steps.flatMap((step) => Object.values(step.results));
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof ProblemError ? error.problem.code : String(error)),
  );

describe('a workspace of the server', { timeout: 120_000 }, () => {
  let claude: Awaited<ReturnType<typeof startClaude>>;
  let server: TestServer;
  let projectId: string;
  let folder: string;
  /** The user's answer to every question through the API. All questions are recorded. */
  let allow: boolean;
  let asked: unknown[];

  beforeAll(async () => {
    claude = await startClaude();
    server = await TestServer.start({ claudeUrl: claude.url, args: ['--sandbox', 'off'] });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await claude[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    claude.reset();
    allow = true;
    asked = [];
    projectId = `api-${crypto.randomUUID()}`;
    folder = join(server.dataDir, 'workspaces', projectId);
    await server.client.call('workspace.create', { params: { projectId } });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const put = (path: string, bytes: Buffer | string, expected?: string | null) =>
    server.client.call('workspace.write', {
      params: { projectId },
      query: { path },
      body: { data: Buffer.from(bytes).toString('base64'), ...(expected === undefined ? {} : { expected }) },
    });
  const get = async (path: string) => {
    const { data } = await server.client.call('workspace.read', { params: { projectId }, query: { path } });
    return Buffer.from(data, 'base64');
  };

  /** Makes the model make these calls, one or several per step. */
  const begin = async (...steps: (Call | Call[])[]) => {
    claude.reset();
    claude.on(any, 'Done.');
    for (const step of steps.toReversed()) {
      const calls = (Array.isArray(step[0]) ? step : [step]) as Call[];
      claude.on(
        any,
        calls.map(([name, input]) => toolUse(name, input)),
        { times: 1 },
      );
    }
    const conversationId = await newConversation(server, projectId);
    const reader = new Reader(() => server, conversationId);
    reader.answerAsks((ask) => {
      asked.push(ask);
      return { kind: 'approval', allow };
    });
    const turnId = await send(server, conversationId, 'Please work.');
    return { conversationId, reader, turnId };
  };
  const turn = async (...calls: Call[]) => {
    const { reader, turnId } = await begin(...calls);
    using _reader = reader;
    return await reader.ended(turnId, 60_000);
  };
  const read = (path: string): Call => ['file_read', { path }];
  const edit = (path: string, oldText: string, newText: string): Call => [
    'file_edit',
    { path, edits: [{ oldText, newText }] },
  ];

  it('a folder on the server is listed, searched, read, changed in three files, and restored byte for byte', async () => {
    const files = {
      'crlf.txt': Buffer.from('one\r\ntwo\r\nthree'),
      'src/mark.txt': Buffer.from('\ufeffone\ntwo\n'),
      'src/wide.txt': Buffer.from('\ufeffone\r\ntwö\r\n', 'utf16le'),
      'picture.png': Buffer.from('89504e470d0a1a0a00ff', 'hex'),
      '.gitignore': Buffer.from('ignored/\n'),
      'ignored/x.txt': Buffer.from('two'),
    };
    for (const [path, bytes] of Object.entries(files)) await put(path, bytes);
    const changed = ['crlf.txt', 'src/mark.txt', 'src/wide.txt'];
    const { conversationId, reader, turnId } = await begin(
      ['file_list', {}],
      ['file_search', { pattern: 'tw' }],
      ...changed.map(read),
      ['file_edit', { path: 'crlf.txt', edits: [{ oldText: 'two', newText: 'TWO\nand more' }] }],
      [
        'apply_patch',
        {
          patch: [
            '*** Begin Patch',
            '*** Update File: src/mark.txt',
            '@@',
            '-two',
            '+TWO',
            '*** Update File: src/wide.txt',
            '@@',
            '-twö',
            '+TWÖ 🎉',
            '*** Add File: new/file.txt',
            '+new',
            '*** End Patch',
          ].join('\n'),
        },
      ],
    );
    using _reader = reader;
    const ended = await reader.ended(turnId, 60_000);
    const results = resultsOf(ended);
    expect(results.map(({ ok, text }) => [ok, ok ? '' : text])).toEqual(results.map(() => [true, '']));
    expect(results[0]?.text).toBe(
      '.gitignore (9 bytes)\ncrlf.txt (15 bytes)\npicture.png (10 bytes)\nsrc/\nsrc/mark.txt (11 bytes)\nsrc/wide.txt (22 bytes)',
    );
    expect(results[1]?.text).toBe('crlf.txt:2: two\nsrc/mark.txt:2: two\nsrc/wide.txt:2: twö');
    expect(await get('crlf.txt')).toEqual(Buffer.from('one\r\nTWO\r\nand more\r\nthree'));
    expect(await get('src/mark.txt')).toEqual(Buffer.from('\ufeffone\nTWO\n'));
    expect(await get('src/wide.txt')).toEqual(Buffer.from('\ufeffone\r\nTWÖ 🎉\r\n', 'utf16le'));
    expect(await get('new/file.txt')).toEqual(Buffer.from('new\n'));
    // Both changes asked, and no rule was offered, because there are no settings to store it in.
    expect(asked).toMatchObject([
      { kind: 'approval', format: 'diff', rule: null },
      { kind: 'approval', format: 'diff', rule: null },
    ]);

    const { paths } = await server.client.call('files.restore', {
      params: { conversationId, turnId },
      body: { what: 'files' },
    });
    expect(paths.toSorted()).toEqual([...changed, 'new/file.txt'].toSorted());
    for (const [path, bytes] of Object.entries(files)) expect(await get(path), path).toEqual(bytes);
    expect(await codeOf(get('new/file.txt'))).toBe('not_found');
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('a folder on the server has the tools that work without an editor', async () => {
    await turn();
    const { tools } = Sent.parse((await claude.received(1)).body);
    const names = tools.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['file_read', 'file_list', 'file_search', 'file_edit', 'apply_patch']),
    );
    // There are no diagnostics without an editor, and with the sandbox off no commands.
    expect(names).not.toContain('diagnostics');
    expect(names).not.toContain('run_command');
    expect(names).not.toContain('command_control');
  });

  it('leftover files of a killed server are hidden, and removed after an hour', async () => {
    const [old, new_] = ['a', 'b'].map((letter) => `.${letter.repeat(24)}.tmp`) as [string, string];
    for (const name of [old, new_, 'a.txt']) await put(name, 'x');
    const hours = (Date.now() - 2 * 3_600_000) / 1000;
    for (const name of [old, 'a.txt']) utimesSync(join(folder, name), hours, hours);
    expect(resultsOf(await turn(['file_list', {}]))[0]?.text).toBe('a.txt (1 bytes)');
    expect(readdirSync(folder).toSorted()).toEqual([new_, 'a.txt']);
  });

  it('nothing that is not allowed changes in a folder on the server', async () => {
    allow = false;
    await put('a.txt', 'one\n');
    const results = resultsOf(await turn(read('a.txt'), edit('a.txt', 'one', 'two')));
    expect(results[1]).toMatchObject({ ok: false, text: 'The user did not allow this.' });
    expect((await get('a.txt')).toString()).toBe('one\n');
  });

  it('a change of a folder on the server is not repeated when the server is killed during it', async () => {
    const names = Array.from({ length: 120 }, (_, n) => `file-${String(n).padStart(3, '0')}.txt`);
    const patch = [
      '*** Begin Patch',
      ...names.flatMap((name) => [`*** Update File: ${name}`, '@@', ' one', '+one']),
      '*** End Patch',
    ].join('\n');
    const [before, after] = ['one\n', 'one\none\n'];
    let between = 0;
    // The moment of the kill is random: repeat until it was between two files.
    for (let round = 0; round < 6 && between === 0; round++) {
      for (const name of names) writeFileSync(join(folder, name), before);
      const { reader, turnId } = await begin(names.map(read), ['apply_patch', { patch }]);
      using _reader = reader;
      const first = join(folder, names[round * 5] ?? '');
      while (readFileSync(first, 'utf8') === before) {
        expect(String(reader.state.turns[turnId]?.status)).not.toMatch(/completed|failed/);
        await breathe();
      }
      await server.kill('SIGKILL');
      const texts = names.map((name) => readFileSync(join(folder, name), 'utf8'));
      expect(texts.filter((text) => text !== before && text !== after)).toEqual([]);
      if (texts.includes(before)) between++;
      await server.start();
      const ended = await reader.ended(turnId, 60_000);
      expect(names.map((name) => readFileSync(join(folder, name), 'utf8'))).toEqual(names.map(() => after));
      const result = resultsOf(ended).at(-1);
      expect(result).toMatchObject({ ok: true });
      expect(result?.details?.changes?.map(({ path }) => path)).toEqual(names);
    }
    expect(between).toBe(1);
  });

  it('a restore of a folder on the server is completed when the server is killed during it', async () => {
    const names = Array.from({ length: 120 }, (_, n) => `file-${String(n).padStart(3, '0')}.txt`);
    const files = () => names.map((name) => readFileSync(join(folder, name), 'utf8'));
    for (const name of names) writeFileSync(join(folder, name), 'one\n');
    const lines = names.flatMap((name) => [`*** Update File: ${name}`, '@@', '-one', '+two']);
    const patch = ['*** Begin Patch', ...lines, '*** End Patch'].join('\n');
    const { conversationId, reader, turnId } = await begin(names.map(read), ['apply_patch', { patch }]);
    using _reader = reader;
    await reader.ended(turnId, 60_000);
    expect(files()).toEqual(names.map(() => 'two\n'));
    const restore = () =>
      server.client.call('files.restore', { params: { conversationId, turnId }, body: { what: 'files' } });
    const interrupted = codeOf(restore());
    while (readFileSync(join(folder, names[3] ?? ''), 'utf8') === 'two\n') await breathe();
    await server.kill('SIGKILL');
    await interrupted;
    expect(files().filter((text) => text !== 'one\n' && text !== 'two\n')).toEqual([]);
    await server.start();
    // The next decision first completes the interrupted one.
    const { paths } = await restore();
    expect(paths).toEqual([]);
    expect(files()).toEqual(names.map(() => 'one\n'));
  });

  describe('the routes of a folder on the server', () => {
    const params = () => ({ projectId });

    it('the routes of a folder on the server read and write bytes, and check the version', async () => {
      const bytes = Buffer.from([0, 255, 13, 10]);
      const hash = createHash('sha256').update(bytes).digest('hex');
      expect(await put('a/b.bin', bytes)).toEqual({ path: 'a/b.bin', bytes: 4, hash });
      expect(await get('a/b.bin')).toEqual(bytes);
      expect(await codeOf(put('a/b.bin', 'x', null))).toBe('file_changed');
      expect(await codeOf(put('a/b.bin', 'x', 'f'.repeat(64)))).toBe('file_changed');
      expect(await codeOf(put('a/b.bin', 'x', hash))).toBe('done');
      const list = await server.client.call('workspace.list', { params: params(), query: {} });
      expect(list).toMatchObject({
        entries: [
          { path: 'a', kind: 'folder' },
          { path: 'a/b.bin', kind: 'file', bytes: 1 },
        ],
        truncated: false,
      });
      await server.client.call('workspace.create', { params: params() });
      expect((await get('a/b.bin')).toString()).toBe('x');
      await server.client.call('workspace.remove', { params: params(), query: { path: 'a/b.bin' } });
      expect(await codeOf(get('a/b.bin'))).toBe('not_found');
      await server.client.call('workspace.delete', { params: params() });
      expect(await codeOf(put('a.txt', 'x'))).toBe('not_found');
      expect(existsSync(folder)).toBe(false);
    });

    it('the routes of a folder on the server accept no path that leads outside', async () => {
      const outside = mkdtempSync(join(tmpdir(), 'devlm-outside-'));
      try {
        writeFileSync(join(outside, 'secret.txt'), 'secret');
        symlinkSync(outside, join(folder, 'link'));
        for (const path of [
          ...pathAttacks.filter((attack) => attack.length <= 4096 && attack.isWellFormed()),
          'link/secret.txt',
        ]) {
          const query = { path };
          const works = [
            get(path),
            put(path, 'x'),
            server.client.call('workspace.remove', { params: params(), query }),
            server.client.call('workspace.list', { params: params(), query }),
          ];
          const codes = await Promise.all(works.map(codeOf));
          expect([path, ...new Set(codes)]).toEqual([path, 'outside_workspace']);
        }
        expect(readdirSync(folder)).toEqual(['link']);
        expect(readdirSync(outside)).toEqual(['secret.txt']);
        expect(readFileSync(join(outside, 'secret.txt'), 'utf8')).toBe('secret');
        // Only the link is removed, not its target.
        await server.client.call('workspace.delete', { params: params() });
        expect(readFileSync(join(outside, 'secret.txt'), 'utf8')).toBe('secret');
      } finally {
        rmSync(outside, { recursive: true });
      }
    });

    it('no folder on the server is created for a project that an editor shares', async () => {
      const lent = mkdtempSync(join(tmpdir(), 'devlm-lent-'));
      using window = new EditorWindow(() => server, lent, 'lent');
      await window.attach();
      const made = server.client.call('workspace.create', { params: { projectId: 'lent' } });
      expect(await codeOf(made)).toBe('conflict');
      const used = `used-${crypto.randomUUID()}`;
      await newConversation(server, used);
      const late = server.client.call('workspace.create', { params: { projectId: used } });
      expect(await codeOf(late)).toBe('conflict');
      rmSync(lent, { recursive: true });
    });

    it('a folder on the server belongs to the user who created it', async () => {
      const dir = mkdtempSync(join(tmpdir(), 'devlm-folders-'));
      try {
        const folders = new ProjectFolders(join(dir, 'workspaces'));
        await folders.create('one', 'ann');
        await folders.create('one', 'ann');
        expect(folders.rootOf('one', 'ann')).toBe(join(dir, 'workspaces/one'));
        expect(() => folders.rootOf('one', 'bob')).toThrow(ProblemError);
        const workspaces = new Workspaces(new Editors(), folders);
        expect(() => workspaces.assertOwn('one', 'bob')).toThrow(ProblemError);
        for (const projectId of ['one', 'other', null]) workspaces.assertOwn(projectId, 'ann');
        expect(await codeOf(folders.create('one', 'bob'))).toBe('conflict');
        expect(await codeOf(folders.remove('one', 'bob'))).toBe('not_found');
        expect(await codeOf(folders.create('CON', 'ann'))).toBe('outside_workspace');
        // A folder that was put there by hand is not a workspace of any user.
        mkdirSync(join(dir, 'workspaces/two'));
        expect(folders.workspace('two')).toBeNull();
        expect(new ProjectFolders(join(dir, 'workspaces')).workspace('one')).not.toBeNull();
      } finally {
        rmSync(dir, { recursive: true });
      }
    });
  });
});

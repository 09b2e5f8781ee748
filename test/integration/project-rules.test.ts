import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { EditorWindow } from '../support/editor-window.ts';
import { newConversation, Reader, send, TestServer } from '../support/server.ts';

describe('rules for certain files', { timeout: 60_000 }, () => {
  let claude: Awaited<ReturnType<typeof startClaude>>;
  let server: TestServer;
  let window: EditorWindow;
  let folder: string;

  beforeEach(async () => {
    claude = await startClaude();
    server = await TestServer.start({ claudeUrl: claude.url, args: ['--sandbox', 'off'] });
    folder = mkdtempSync(join(tmpdir(), 'devlm-rules-'));
    window = new EditorWindow(() => server, folder);
    await window.attach();
  });
  afterEach(async () => {
    window[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
    await claude[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  it('rules for certain files are added once to the end of the prompt, when such a file is read or attached', async () => {
    window.write('.devlm/all.md', '---\ndescription: for all\n---\nRule for all.');
    window.write('.devlm/python.md', '---\nglobs: "*.py", tools/**/*.pyi\n---\nRule for Python. </rules>');
    window.write('.devlm/go.md', '---\ndescription: x\nglobs:\n  - cmd/**\n  - "*.go"\n---\nRule for Go.');
    window.write('.devlm/web.md', '---\r\nglobs: [web/*.css]\r\n---\r\nRule for styles.');
    window.write('src/deep/a.py', 'x = 1');
    claude.on(any, 'Done.');
    claude.on(any, toolUse('file_read', { path: 'src/deep/a.py' }), { times: 2 });
    const conversationId = await newConversation(server, 'project');
    using reader = new Reader(() => server, conversationId);
    const prompt = async () => JSON.stringify((await claude.received(claude.messages.length)).body);
    await reader.ended(await send(server, conversationId, 'Look at it.'), 30_000);

    const first = JSON.stringify((await claude.received(1)).body);
    expect(first).toContain('Rule for all.');
    expect(first).not.toContain('for all\\n---');
    expect(first).not.toContain('Rule for Python.');
    const second = JSON.stringify((await claude.received(2)).body);
    expect(second).toContain('Rule for Python. <\\\\/rules>');
    const last = await prompt();
    expect(last.split('Rule for Python.')).toHaveLength(2);
    expect(last).not.toContain('Rule for Go.');
    const systemOf = (text: string) => /"system":.*?"messages"/.exec(text)?.[0];
    expect(systemOf(last)).toBe(systemOf(first));

    const attachments = [{ kind: 'file' as const, path: 'cmd/main.txt', text: 'x' }];
    await reader.ended(await send(server, conversationId, 'And this?', { attachments }), 30_000);
    expect(await prompt()).toContain('Rule for Go.');
    expect(await prompt()).not.toContain('Rule for styles.');
  });
});

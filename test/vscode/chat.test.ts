import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Discovery, discoveryFile } from '@devlm/protocol/discovery.ts';
import type { Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { root } from '../../scripts/build.ts';
import { text, thinking } from '../support/claude/answer.ts';
import { badKey } from '../support/claude/faults.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { openVscode, type Vscode, type VscodeWindow } from '../support/vscode/browser.ts';

/** Tests the chat as a user operates it: a real VS Code in Chromium, the real extension and server, and the stand-in for Claude. */
describe('chat in VS Code', { timeout: 90_000 }, () => {
  let claude: Claude;
  let vscode: Vscode;
  const workspace = join(root, 'samples/todo');
  beforeAll(async () => {
    claude = await startClaude();
    vscode = await openVscode({
      workspace,
      env: { ANTHROPIC_API_KEY: 'sk-test-0123456789', ANTHROPIC_BASE_URL: claude.url, DEVLM_RETRY_BASE_MS: '20' },
    });
    await vscode.runCommand('DevLM: Open Chat');
    await chat().message.waitFor();
  }, 120_000);
  beforeEach(({ task, onTestFailed }) => {
    onTestFailed(() => vscode.screenshot(`failed ${task.name.slice(0, 40)}`));
  });
  afterEach(() => claude.reset());
  afterAll(async () => {
    await vscode?.[Symbol.asyncDispose]();
    await claude?.[Symbol.asyncDispose]();
  });

  function chat(window: VscodeWindow = vscode) {
    const frame = window.chatFrame();
    return {
      frame,
      message: frame.getByRole('textbox', { name: 'Message', exact: true }),
      stop: frame.getByRole('button', { name: 'Stop (Escape)' }),
      answers: frame.locator('.answer'),
      questions: frame.locator('.user-text'),
      button: (name: string) => frame.getByRole('button', { name }),
    };
  }
  async function ask(words: string, window?: VscodeWindow): Promise<void> {
    const { message } = chat(window);
    await message.fill(words);
    await message.press('Enter');
  }
  async function newChat(window: VscodeWindow = vscode): Promise<void> {
    await window.runCommand('DevLM: New Chat');
    await expect.poll(() => chat(window).questions.count()).toBe(0);
  }
  const shows = (locator: Locator, words: string | RegExp, timeout = 20_000) =>
    expect.poll(() => locator.innerText().catch(() => ''), { timeout }).toMatch(words);
  const discovery = () => Discovery.parse(JSON.parse(readFileSync(join(vscode.dataDir, discoveryFile), 'utf8')));

  const words = Array.from({ length: 120 }, (_, i) => `word${i}`);
  const long = `${words.join(' ')} end.`;
  const slow = { chunkChars: 8, chunksPerSecond: 40 };

  it('the chat streams an answer, with collapsed thinking and its cost', async () => {
    claude.on(any, { blocks: [thinking('I consider the words.'), text(long)], pace: slow });
    await chat().button('Think').first().click();
    await ask('Say many words');
    await shows(chat().answers.last(), /word3\b/);
    const early = await chat().answers.last().innerText();
    expect(early).not.toContain('end.');
    await chat().stop.waitFor();
    await shows(chat().answers.last(), /word119 end\./);
    await shows(chat().answers.last(), /claude-sonnet-5-5 · .* in · .* out · \$0\.\d+/);
    expect(await chat().answers.last().innerText()).not.toContain('I consider the words.');
    await expect.poll(() => chat().stop.count()).toBe(0);
    await chat().button('Think').first().click();
  });

  it('a stopped answer keeps its text, and the conversation continues', async () => {
    await newChat();
    claude.on(any, { blocks: long, pace: slow });
    await ask('Say many words again');
    await shows(chat().answers.last(), /word5\b/);
    await chat().stop.click();
    await shows(chat().answers.last(), /Stopped/);
    const kept = await chat().answers.last().innerText();
    expect(kept).not.toContain('end.');
    expect((await claude.received(1)).hungUp ?? (await claude.received(1)).done).toBeTruthy();
    claude.reset();
    claude.on(any, 'A short answer.');
    await ask('And now?');
    await shows(chat().answers.last(), /A short answer\./);
    expect(await chat().answers.first().innerText()).toContain('word5');
  });

  it('an edited message is sent again, and its earlier version can be shown', async () => {
    await newChat();
    claude.on('blue', 'It is blue.');
    claude.on('red', 'It is red.');
    await ask('blue?');
    await shows(chat().answers.last(), /It is blue\./);
    await chat().questions.first().hover();
    await chat().button('Edit and Resend').click();
    const editor = chat().frame.getByRole('textbox', { name: 'Edit your message' });
    await editor.fill('red?');
    await editor.press('Enter');
    await shows(chat().answers.last(), /It is red\./);
    expect(await chat().answers.count()).toBe(1);
    await chat().questions.first().hover();
    await chat().button('Previous Version').click();
    await shows(chat().answers.last(), /It is blue\./);
    await shows(chat().questions.first(), /blue\?/);
  });

  it('a message that is sent during an answer is queued', async () => {
    await newChat();
    claude.on('first', { blocks: long, pace: { ...slow, chunksPerSecond: 80 } });
    claude.on('second', 'The second answer.');
    await ask('first');
    await shows(chat().answers.last(), /word2\b/);
    await ask('second');
    await shows(chat().frame.locator('.user-note').last(), /Queued/);
    await shows(chat().answers.last(), /The second answer\./);
    expect(await chat().answers.first().innerText()).toContain('end.');
  });

  it('an answer survives a reload of the window without lost or repeated text, and a draft is kept', async () => {
    await newChat();
    claude.on(any, { blocks: long, pace: { chunkChars: 8, chunksPerSecond: 12 } });
    await ask('Say many words through a reload');
    await shows(chat().answers.last(), /word9\b/);
    await chat().message.fill('a draft that must survive');
    await vscode.page.waitForTimeout(1_000);
    await vscode.reload();
    await chat().message.waitFor();
    await shows(chat().answers.last(), /word9\b/);
    expect(await chat().message.inputValue()).toBe('a draft that must survive');
    await shows(chat().answers.last(), /word119 end\./, 40_000);
    const shown = (await chat().answers.last().innerText()).match(/word\d+/g);
    expect(shown).toEqual(words);
    expect(claude.messages).toHaveLength(1);
    await chat().message.fill('');
  });

  it('a second window shows the same conversation live', async () => {
    await newChat();
    claude.on(any, { blocks: long, pace: slow });
    await ask('Say many words in two windows');
    const second = await vscode.secondWindow();
    await second.runCommand('DevLM: Open Chat');
    await chat(second).message.waitFor();
    await second.runCommand('DevLM: Show Chat History');
    await chat(second).frame.locator('.row-open', { hasText: 'Say many words in two windows' }).first().click();
    await shows(chat(second).answers.last(), /word119 end\./);
    claude.reset();
    claude.on(any, 'Seen on both sides.');
    await ask('From the second window', second);
    await shows(chat(second).answers.last(), /Seen on both sides\./);
    await shows(chat().answers.last(), /Seen on both sides\./);
    await second.page.close();
  });

  it('the chat recovers when the server is killed during an answer, and says that the request was repeated', async () => {
    await newChat();
    claude.on(any, { blocks: long, pace: slow });
    await ask('Say many words over a crash');
    await shows(chat().answers.last(), /word9\b/);
    const before = discovery();
    process.kill(before.pid, 'SIGKILL');
    await shows(chat().answers.last(), /word119 end\./, 60_000);
    expect(discovery().pid).not.toBe(before.pid);
    const answer = await chat().answers.last().innerText();
    expect(answer.match(/word\d+/g)).toEqual(words);
    expect(answer).toMatch(/again/i);
  });

  it('all conversations are listed after a restart of the server', async () => {
    await vscode.runCommand('DevLM: Restart Server');
    await vscode.runCommand('DevLM: Show Chat History');
    for (const title of [
      'Say many words over a crash',
      'Say many words in two windows',
      'Say many words through a reload',
      'blue?',
      'first',
    ])
      await chat().frame.locator('.row-open', { hasText: title }).first().waitFor();
    await chat().frame.locator('.row-open', { hasText: 'blue?' }).first().click();
    await shows(chat().questions.first(), /blue\?|red\?/);
  });

  it('the chat says what went wrong and what to do', async () => {
    await newChat();
    claude.on(any, badKey());
    await ask('With a bad key');
    await shows(chat().frame.locator('.answer').last(), /The API key was refused/);
    await chat().button('Set API Key').first().waitFor();
    claude.reset();
    claude.on(any, 'Now it works.');
    await chat().button('Ask Again').last().click();
    await shows(chat().answers.last(), /Now it works\./);
  });

  it('the selection of the editor is attached', async () => {
    await newChat();
    claude.on(any, 'I see the selection.');
    await vscode.page.keyboard.press('Control+p');
    await vscode.page.locator('.quick-input-widget input').fill('tasks.py');
    await vscode.page.locator('.quick-input-list .monaco-list-row', { hasText: 'tasks.py' }).first().click();
    await vscode.page.locator('.editor-group-container .view-line').first().click();
    await vscode.page.keyboard.press('Control+a');
    await vscode.runCommand('DevLM: Add Selection to DevLM Chat');
    await chat().frame.locator('.composer').getByText('tasks.py').waitFor();
    await ask('What is this?');
    await shows(chat().answers.last(), /I see the selection\./);
    expect(JSON.stringify(claude.messages.at(-1)?.message?.messages)).toContain('<selection path=\\"todo/tasks.py\\"');
  });
});

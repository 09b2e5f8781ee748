import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../scripts/build.ts';
import { any } from '../support/claude/scenario.ts';
import { type Claude, startClaude } from '../support/claude/server.ts';
import { addUser, devlm } from '../support/devlm.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis.ts';
import { TestServer } from '../support/server.ts';
import { openVscode, type Vscode } from '../support/vscode/browser.ts';

/** Tests a team server on PostgreSQL and Redis with a real VS Code that a user connects to it. */
describe('a team server', { timeout: 240_000 }, () => {
  let claude: Claude;
  let postgres: PostgresServer;
  let redis: RedisServer;
  let server: TestServer;
  let vscode: Vscode;
  let ann: Awaited<ReturnType<typeof addUser>>;
  let host: string;

  beforeAll(async () => {
    [claude, postgres, redis] = await Promise.all([startClaude(), startPostgres({ sync: false }), startRedis()]);
    const port = await freePort();
    host = `127.0.0.1:${port}`;
    server = await TestServer.start({
      team: true,
      claudeUrl: claude.url,
      args: ['--port', String(port)],
      env: { DEVLM_DATABASE_URL: await postgres.createDatabase(), DEVLM_REDIS_URL: redis.url },
    });
    ann = await addUser(server.dataDir, 'ann');
    vscode = await openVscode({ workspace: join(root, 'samples/todo') });
  }, 180_000);
  afterAll(async () => {
    await vscode?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await Promise.all([claude, postgres, redis].map((one) => one?.[Symbol.asyncDispose]()));
  });

  const frame = () => vscode.chatFrame();
  /** Returns the banner about the server above the chat. */
  const banner = (text: string) => frame().locator('.banner', { hasText: text });
  const input = () => vscode.page.locator('.quick-input-widget input');
  /** Enters a text in the quick input of VS Code. */
  const enter = async (title: string, text: string) => {
    await vscode.page.locator('.quick-input-title', { hasText: title }).waitFor();
    await input().fill(text);
    await input().press('Enter');
  };
  const ask = async (question: string, answer: string) => {
    claude.on(any, answer);
    const message = frame().getByRole('textbox', { name: 'Message', exact: true });
    await message.fill(question);
    await message.press('Enter');
    await frame().getByRole('feed').getByText(answer).waitFor({ timeout: 60_000 });
  };
  /** Returns the rows of the history with a title. */
  const history = async (title: string) => {
    await vscode.runCommand('DevLM: Show Chat History');
    await frame().getByRole('button', { name: 'Back to Chat' }).waitFor();
    return frame().locator('.row-title', { hasText: title });
  };

  it('a team server is connected to by address and token, and wrong ones are explained', async () => {
    await vscode.runCommand('DevLM: Connect to Server');
    await enter('DevLM: Connect to Server', 'ftp://nowhere');
    await vscode.page.getByText('Enter an address such as https://devlm.example.com.').first().waitFor();
    await enter('DevLM: Connect to Server', host);
    await enter(`DevLM: Token for ${host}`, 'eyJhbGciOiJub25lIn0.e30.x');
    await vscode.page.locator('.quick-input-message', { hasText: `${host} rejected your token` }).waitFor();
    await enter(`DevLM: Token for ${host}`, ann.token);
    await frame().getByRole('textbox', { name: 'Message', exact: true }).waitFor({ timeout: 60_000 });
    await frame().getByRole('banner').getByText(host).waitFor();
    await vscode.page.locator('.statusbar').getByText(`DevLM · ${host}`).waitFor();
  });

  it('a team server answers, and its chat is there after a reload of the window', async () => {
    await ask('What is in this folder?', 'A list of things to do.');
    await vscode.screenshot('team-connected');
    await (await history('What is in this folder?')).waitFor();
    await frame().getByRole('button', { name: 'Back to Chat' }).click();
    await vscode.reload();
    // This editor keeps secrets only as long as its window.
    await banner(`${host} requires a token`).waitFor({ timeout: 60_000 });
    await vscode.screenshot('team-token');
    await banner(host).getByRole('button', { name: 'Enter Token...' }).click();
    await enter(`DevLM: Token for ${host}`, ann.token);
    await frame().getByRole('feed').getByText('A list of things to do.').waitFor({ timeout: 60_000 });
    await (await history('What is in this folder?')).waitFor();
    await frame().getByRole('button', { name: 'Back to Chat' }).click();
  });

  it('the connection recovers when a team server is gone for a while', async () => {
    await server.kill();
    await banner(`Cannot reach ${host}`).waitFor({ timeout: 60_000 });
    await frame().getByRole('feed').getByText('A list of things to do.').waitFor();
    await vscode.screenshot('team-unreachable');
    await server.start();
    // The connection also retries on its own, so the button may be gone.
    await frame()
      .getByRole('button', { name: 'Try Now' })
      .evaluateAll((buttons) => {
        for (const button of buttons) if (button instanceof HTMLElement) button.click();
      });
    await banner(`Cannot reach ${host}`).waitFor({ state: 'hidden', timeout: 60_000 });
    await ask('And now?', 'Still that list.');
  });

  it('a revoked token is rejected, and one user sees nothing of another', async () => {
    const bob = await addUser(server.dataDir, 'bob');
    expect(await devlm(server.dataDir, ['token', 'revoke', ann.info.id])).toMatchObject({ code: 0, err: '' });
    const message = frame().getByRole('textbox', { name: 'Message', exact: true });
    await message.fill('Am I still here?');
    await message.press('Enter');
    await banner(`${host} rejected your token: The token was revoked.`).waitFor({ timeout: 60_000 });
    await vscode.screenshot('team-revoked');
    await banner(host).getByRole('button', { name: 'Enter Token...' }).click();
    await enter(`DevLM: Token for ${host}`, bob.token);
    await banner('rejected your token').waitFor({ state: 'hidden', timeout: 60_000 });
    await vscode.runCommand('DevLM: New Chat');
    await ask('Who am I?', 'You are Bob.');
    await (await history('Who am I?')).waitFor();
    await vscode.screenshot('team-second-user');
    expect(await (await history('What is in this folder?')).count()).toBe(0);
    await frame().getByRole('button', { name: 'Back to Chat' }).click();
  });

  it('the user switches back to this machine’s own server, and removes the team server', async () => {
    await vscode.runCommand('DevLM: Switch Server');
    await vscode.page.locator('.quick-input-list .monaco-list-row', { hasText: 'This machine' }).click();
    await frame().getByText('DevLM needs an API key').waitFor({ timeout: 60_000 });
    const message = frame().getByRole('textbox', { name: 'Message', exact: true });
    await message.and(frame().locator(':focus')).waitFor();
    await vscode.runCommand('DevLM: Switch Server');
    const row = vscode.page.locator('.quick-input-list .monaco-list-row', { hasText: host });
    await row.hover();
    await row.getByRole('button', { name: 'Forget this server and its token' }).click();
    await vscode.runCommand('DevLM: Switch Server');
    await vscode.page.locator('.quick-input-list .monaco-list-row', { hasText: 'This machine' }).waitFor();
    await row.waitFor({ state: 'hidden' });
    await vscode.page.keyboard.press('Escape');
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { mustRun } from '../../scripts/run.ts';
import { installOnce } from '../../scripts/vscode-install.ts';
import { text, toolUse } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { TestServer } from '../support/server.ts';

/** Tests a third-party client: Claude Code, as published on npm. */
const version = '2.1.197';

async function installClaudeCode(): Promise<string> {
  const name = `@anthropic-ai/claude-code-${process.platform}-${process.arch}`;
  const folder = await installOnce(`claude-code-${version}-${process.platform}-${process.arch}`, async (temporary) => {
    writeFileSync(join(temporary, 'package.json'), '{"private":true}');
    await mustRun('npm', [
      'install',
      '--prefix',
      temporary,
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      `${name}@${version}`,
    ]);
  });
  return join(folder, 'node_modules', name, process.platform === 'win32' ? 'claude.exe' : 'claude');
}

const Result = z.object({ is_error: z.boolean(), result: z.string(), num_turns: z.int() });

test('Claude Code works with tools through the Messages endpoint, by its base URL alone', {
  timeout: 240_000,
}, async () => {
  const program = await installClaudeCode();
  await using claude = await startClaude();
  await using server = await TestServer.start({ claudeUrl: claude.url });
  const folder = mkdtempSync(join(tmpdir(), 'devlm-claude-code-'));
  try {
    const file = join(folder, 'word.txt');
    writeFileSync(file, 'The word is plum.\n');
    claude.on(any, 'It is plum.');
    claude.on(any, [text('I look.'), toolUse('Read', { file_path: file })], { times: 1 });
    const args = ['-p', 'Which word is in word.txt?', '--output-format', 'json', '--model', 'claude-sonnet-5-5'];
    const child = spawn(program, args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        ANTHROPIC_BASE_URL: `${server.origin}/llm`,
        ANTHROPIC_AUTH_TOKEN: server.discovery.secret,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      },
    });
    const [[code], output, errors] = await Promise.all([
      once(child, 'exit'),
      readText(child.stdout),
      readText(child.stderr),
    ]);
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(Result.parse(JSON.parse(output))).toEqual({ is_error: false, result: 'It is plum.', num_turns: 2 });
    const calls = claude.messages;
    expect(calls.length).toBe(2);
    // It read the file itself, and sent its content.
    expect(JSON.stringify(calls[1]?.body)).toContain('The word is plum.');
    const today = await server.client.call('usage.today', { query: {} });
    expect(today.outputTokens).toBeGreaterThan(0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

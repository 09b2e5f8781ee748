import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { root } from '../../scripts/build.ts';
import { onlyDeep } from '../support/deep.ts';

const folder = mkdtempSync(join(tmpdir(), 'devlm-desktop-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Creates an executable shell script. */
function program(name: string, script: string): string {
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return file;
}

/** Runs `npm run test:desktop` as from inside an editor, with an API key in the environment that no test may use. */
async function testDesktop(...args: string[]): Promise<{ code: number | null; output: string }> {
  const temporary = mkdtempSync(join(folder, 'tmp-'));
  const outside = { ANTHROPIC_API_KEY: 'sk-real', ELECTRON_RUN_AS_NODE: '1', DEVLM_BUILT: '1', TMPDIR: temporary };
  const child = spawn(process.execPath, [join(root, 'scripts/test-desktop.ts'), ...args], {
    env: { ...process.env, ...outside },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const [code] = await once(child, 'close');
  expect(readdirSync(temporary).filter((name) => name.startsWith('devlm-desktop-'))).toEqual([]);
  return { code, output };
}

describe('the test run in a desktop VS Code', () => {
  // `in-host.test.ts` runs the same bundle in the same editor: here the launcher runs it once more.
  onlyDeep(() => {
    test('a desktop VS Code runs the tests with both extensions and the sample, and counts them', {
      timeout: 240_000,
    }, async () => {
      const { code, output } = await testDesktop('--executable', join(root, 'test/support/vscode/desktop.ts'));
      expect(output).toMatch(/^[1-9]\d* passed, 0 failed, 0 skipped$/m);
      expect(code).toBe(0);
    });
  });

  test('a desktop run names the failed tests', async () => {
    const results = JSON.stringify([
      { name: 'good', ms: 1 },
      { name: 'bad', ms: 1, error: 'it is wrong' },
    ]);
    const editor = program('fails', `echo '${results}' > "$DEVLM_TEST_RESULTS"; exit 1`);
    const { code, output } = await testDesktop('--executable', editor);
    expect(output).toContain('✗ bad\nit is wrong');
    expect(output).toMatch(/^1 passed, 1 failed, 0 skipped$/m);
    expect(code).toBe(1);
  });

  test.each([
    ['ends without a word', 'exit 0', 'told of no tests'],
    ['ends badly', 'exit 3', 'failed with code 3'],
    [
      'ends badly after good tests',
      `echo '[{"name":"a","ms":1}]' > "$DEVLM_TEST_RESULTS"; exit 4`,
      'failed with code 4',
    ],
    ['has no tests', `echo '[]' > "$DEVLM_TEST_RESULTS"`, 'no tests'],
  ])('a desktop run fails if the editor %s', async (name, script, said) => {
    const { code, output } = await testDesktop('--executable', program(name.replaceAll(' ', '-'), script));
    expect(output).toContain(said);
    expect(output).not.toMatch(/ 0 failed/);
    expect(code).toBe(1);
  });

  test.each([
    [['--executable', '/nowhere/code'], '/nowhere/code is no program'],
    [['--executable', join(root, 'LICENSE')], 'LICENSE is no program'],
    [['stable', 'insiders'], 'Usage: npm run test:desktop'],
    [['--nonsense'], '--nonsense'],
  ])('a desktop run says what is wrong with the arguments %j', async (args, said) => {
    const { code, output } = await testDesktop(...args);
    expect(output).toContain(said);
    expect(code).toBe(1);
  });
});

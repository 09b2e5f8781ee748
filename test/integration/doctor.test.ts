import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import * as z from 'zod';
import { serverCommand } from '../support/server.ts';

const Findings = z.array(z.object({ what: z.string(), ok: z.boolean(), detail: z.string() }));

function doctor(args: readonly string[], env: Record<string, string> = {}): Promise<{ code: number; text: string }> {
  const PATH = process.env['PATH'] ?? '';
  return new Promise((resolve) => {
    execFile(process.execPath, [...serverCommand(), 'doctor', ...args], { env: { PATH, ...env } }, (error, text) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, text }),
    );
  });
}

it('the doctor reports what the server depends on, and changes nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'devlm-doctor-'));
  try {
    const { code, text } = await doctor(['--data-dir', folder, '--sandbox', 'embedded', '--json']);
    expect(code).toBe(0);
    const findings = Object.fromEntries(Findings.parse(JSON.parse(text)).map(({ what, ...rest }) => [what, rest]));
    expect(findings['embedded: python']?.detail).toContain('ready');
    expect(findings['embedded: go']?.detail).toContain('Docker');
    expect(findings['storage']?.detail).toContain('empty');
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('the doctor exits with 1 and names the problem', async () => {
  const { code, text } = await doctor(['--sandbox', 'docker'], { DOCKER_HOST: 'unix:///nowhere/docker.sock' });
  expect(code).toBe(1);
  expect(text).toMatch(/^BAD {2}sandbox: docker: .*\/nowhere\/docker\.sock/m);
});

it('the doctor accepts one working sandbox of two', async () => {
  const { code, text } = await doctor([], { DOCKER_HOST: 'unix:///nowhere/docker.sock' });
  expect(text).toMatch(/^ok {3}sandbox: docker: not used\. .*\/nowhere\/docker\.sock/m);
  expect(text).toMatch(/^ok {3}embedded: python: .*ready/m);
  expect(code).toBe(0);
});

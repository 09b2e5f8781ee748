import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ConversationSecrets } from '../../server/src/actions/secrets/conversation-secrets.ts';
import { createLogger } from '../../server/src/logging.ts';

it('the log contains no secret in any position', () => {
  const dir = mkdtempSync(join(tmpdir(), 'devlm-log-'));
  const file = join(dir, 'logs', 'server.log');
  const logger = createLogger({ level: 'info', file });
  const cause = new Error('headers: x-api-key sk-ant-0123456789');
  const error = Object.assign(new Error('postgres://me:hunter2@host/db', { cause }), {
    headers: { 'x-api-key': 'sk-1' },
  });
  logger.error({ err: error, apiKey: 'sk-a', deep: { secret: 'sk-b', more: { password: 'sk-c' } } }, 'it failed');
  const text = readFileSync(file, 'utf8');
  expect(text).toContain('it failed');
  expect(text).not.toMatch(/sk-|hunter2/);
  rmSync(dir, { recursive: true });
});

it.runIf(existsSync('/dev/full'))('logging does not throw when the disk is full', () => {
  const logger = createLogger({ level: 'info', file: '/dev/full' });
  for (let i = 0; i < 3; i++) logger.error({ err: new Error('no room') }, 'still here');
});

it('the log hides the credentials that a conversation knows', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'devlm-log-'));
  const file = join(dir, 'server.log');
  const secrets = new ConversationSecrets({ keyOf: () => new Uint8Array(32).fill(1) });
  (await secrets.of('one')).addEnvFile('APP_PASSWORD="correct \\"horse\\""');
  const logger = createLogger({ level: 'info', file, hide: (line) => secrets.hideAll(line) });
  logger.error({ err: new Error('no: correct "horse"'), at: 'correct "horse"' }, 'it failed');
  const text = readFileSync(file, 'utf8');
  expect(text).toContain('it failed');
  expect(text).not.toContain('horse');
  expect(JSON.parse(text)).toMatchObject({ at: expect.stringMatching(/^DEVLM_SECRET_/) });
  rmSync(dir, { recursive: true });
});

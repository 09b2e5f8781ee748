// biome-ignore-all lint/suspicious/noTemplateCurlyInString: shell and settings syntax
import { describe, expect, test } from 'vitest';
import { envValues, hasPlaceholder, Secrets } from '../../../server/src/actions/secrets.ts';
import { letters, plainTexts, secretTexts } from './secrets-data.ts';

const key = (fill: number) => new Uint8Array(32).fill(fill);

test.each(secretTexts)('hides: %s', (_, text, secret) => {
  const secrets = new Secrets(key(1));
  const hidden = secrets.hide(text);
  expect(hidden).not.toContain(secret);
  expect(hasPlaceholder(hidden)).toBe(true);
  const at = text.lastIndexOf(secret);
  expect(hidden.startsWith(text.slice(0, at))).toBe(true);
  expect(hidden.endsWith(text.slice(at + secret.length))).toBe(true);
  expect(secrets.restore(hidden)).toBe(text);
  expect(secrets.hide(hidden)).toBe(hidden);
});

test.each(plainTexts)('leaves alone: %j', (text) => {
  expect(new Secrets(key(1)).hide(text)).toBe(text);
});

describe('placeholders', () => {
  const [, text = ''] = secretTexts[0] ?? [];

  test('are the same for the same secret of a conversation, and tell nothing to another', () => {
    const one = new Secrets(key(1));
    expect(one.hide(`${text} ${text}`).split(' ')[0]).toBe(one.hide(text));
    expect(new Secrets(key(1)).hide(text)).toBe(one.hide(text));
    expect(new Secrets(key(2)).hide(text)).not.toBe(one.hide(text));
    expect(new Secrets(key(2)).restore(one.hide(text))).toBeNull();
    expect(() => new Secrets(new Uint8Array(31))).toThrow(RangeError);
  });

  test('are recognised in a text to be written, broken ones too', () => {
    const hidden = new Secrets(key(1)).hide(text);
    expect(hasPlaceholder(`x = "${hidden}"`)).toBe(true);
    expect(hasPlaceholder(hidden.slice(0, -3))).toBe(true);
    expect(hasPlaceholder(hidden.toLowerCase())).toBe(true);
    expect(hasPlaceholder(hidden.replace('_', '\u200b_'))).toBe(true);
    expect(hasPlaceholder('const DEVLM = SECRET')).toBe(false);
  });

  test('that were never given are not restored', () => {
    const secrets = new Secrets(key(1));
    const hidden = secrets.hide(text);
    expect(secrets.restore(`${hidden} DEVLM_SECRET_${'0'.repeat(20)}`)).toBeNull();
    expect(secrets.restore('nothing here')).toBe('nothing here');
  });
});

describe('.env files', () => {
  const env = [
    '# comment',
    'export DB_PASSWORD=correct-horse',
    'QUOTED_SECRET="with \\"quotes\\" and space"',
    "SINGLE_TOKEN='it''s'",
    'PLAIN=development',
    'DEBUG=true',
    'PORT=8080',
    'URL=https://example.com/path',
    'API_KEY=${OTHER}',
    'STRIPE_PUBLISHABLE_KEY=pk-something-long',
    'SALT=pepper # not this',
    'SHORT_KEY=abc',
    'WEIRD_KEY=a.b*c(d)[e]',
  ].join('\r\n');

  test('their values are hidden wherever they turn up, and nothing else is', () => {
    const secrets = new Secrets(key(1));
    secrets.addEnvFile(env);
    const hidden = ['correct-horse', 'with "quotes" and space', 'pepper', 'a.b*c(d)[e]'];
    for (const value of hidden)
      expect(secrets.hide(`log: ${value}!`), value).toMatch(/^log: DEVLM_SECRET_[0-9A-F]{20}!$/);
    const plain = 'development true 8080 https://example.com/path ${OTHER} pk-something-long abc not this aXb*c(d)[e]';
    expect(secrets.hide(plain)).toBe(plain);
    expect(secrets.restore(secrets.hide(env))).toBe(env);
  });

  test('are read as the common readers do', () => {
    expect(envValues('A=1\n B = two words \nC="x\\ny"\n#D=4\nE=')).toEqual([
      ['A', '1'],
      ['B', 'two words'],
      ['C', 'x\ny'],
      ['E', ''],
    ]);
  });

  test('the longest of values that contain each other is replaced', () => {
    const secrets = new Secrets(key(1));
    secrets.add('secret');
    secrets.add('secret-long');
    expect(secrets.hide('secret-long')).toMatch(/^DEVLM_SECRET_[0-9A-F]{20}$/);
  });
});

describe('a stream', () => {
  const whole = secretTexts.map(([, text]) => `before ${text} after`).join('\n');

  test.each([1, 7, 64, 1000, 100_000])('hides in pieces of %i characters what it hides at once', (size) => {
    const secrets = new Secrets(key(1));
    const stream = secrets.stream();
    let out = '';
    for (let at = 0; at < whole.length; at += size) {
      out += stream.push(whole.slice(at, at + size));
    }
    out += stream.end();
    for (const [name, , secret] of secretTexts) expect(out.includes(secret), name).toBe(false);
    expect(out).toBe(secrets.hide(whole));
  });

  test('lets lines through as they end, and a long line in time', () => {
    const stream = new Secrets(key(1)).stream();
    expect(stream.push('one\ntw')).toBe('one\n');
    expect(stream.push('o\n')).toBe('two\n');
    const [, text = '', secret = ''] = secretTexts[0] ?? [];
    let out = '';
    for (let round = 0; round < 300; round++) out += stream.push(`${letters(97, 'abc ')} ${text} `);
    expect(out.length).toBeGreaterThan(5000);
    out += stream.end();
    expect(out).not.toContain(secret);
    expect(out).not.toContain(secret.slice(0, 30));
    expect(out.match(/DEVLM_SECRET_[0-9A-F]{20} /g)).toHaveLength(300);
  });
});

test('is quick on a large text', () => {
  const line = 'const token = next(); // password key secret :// sk- https://example.com/a?b=c\n';
  const large = line.repeat(Math.ceil(1_000_000 / line.length));
  const spiky = `${'a'.repeat(200_000)} token=${'a1'.repeat(100_000)} ://${':'.repeat(50_000)} eyJ${'a'.repeat(100_000)}`;
  const secrets = new Secrets(key(1));
  for (const text of [large, spiky]) {
    const before = performance.now();
    secrets.hide(text);
    expect(performance.now() - before).toBeLessThan(3000);
  }
});

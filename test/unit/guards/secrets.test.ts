// biome-ignore-all lint/suspicious/noTemplateCurlyInString: shell and settings syntax
import { describe, expect, test } from 'vitest';
import { addedPlaceholders, hasPlaceholder, Secrets } from '../../../server/src/actions/secrets/secrets.ts';
import { envValues } from '../../../server/src/actions/secrets/values.ts';
import { letters, plainTexts, secretTexts } from './secrets-data.ts';

const key = (fill: number) => new Uint8Array(32).fill(fill);

test.each(secretTexts)('hides: %s', (_, text, secret) => {
  const secrets = new Secrets(key(1));
  const hidden = secrets.hide(text);
  // The first and last line of a multi-line key stay.
  const lines = secret.split('\n').filter((line) => !line.startsWith('-----'));
  for (const line of lines) expect(hidden).not.toContain(line);
  expect(hasPlaceholder(hidden)).toBe(true);
  expect(hidden.split('\n')).toHaveLength(text.split('\n').length);
  const at = text.lastIndexOf(secret);
  expect(hidden.startsWith(text.slice(0, at))).toBe(true);
  expect(hidden.endsWith(text.slice(at + secret.length))).toBe(true);
  expect(secrets.restore(hidden)).toBe(text);
  expect(secrets.hide(hidden)).toBe(hidden);
});

test.each(plainTexts)('text that is not a credential is unchanged: %j', (text) => {
  expect(new Secrets(key(1)).hide(text)).toBe(text);
});

describe('placeholders', () => {
  const [, text = ''] = secretTexts[0] ?? [];

  test('a secret has one placeholder in a conversation, and a different one in another', () => {
    const one = new Secrets(key(1));
    expect(one.hide(`${text} ${text}`).split(' ')[0]).toBe(one.hide(text));
    expect(new Secrets(key(1)).hide(text)).toBe(one.hide(text));
    expect(new Secrets(key(2)).hide(text)).not.toBe(one.hide(text));
    expect(new Secrets(key(2)).restore(one.hide(text))).toBeNull();
    expect(() => new Secrets(new Uint8Array(31))).toThrow(RangeError);
  });

  test('placeholders are recognized in a text to be written, even broken ones', () => {
    const hidden = new Secrets(key(1)).hide(text);
    expect(hasPlaceholder(`x = "${hidden}"`)).toBe(true);
    expect(hasPlaceholder(hidden.slice(0, -3))).toBe(true);
    expect(hasPlaceholder(hidden.toLowerCase())).toBe(true);
    expect(hasPlaceholder(hidden.replace('_', '\u200b_'))).toBe(true);
    expect(hasPlaceholder('const DEVLM = SECRET')).toBe(false);
  });

  test('placeholders that were never issued are not restored', () => {
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
    'AUTH_PROVIDER=google',
    'CACHE_KEY_PREFIX=users:',
    'TOKEN_FILE=/run/secrets/token',
    'ROOT_PASSWORD=postgres',
  ].join('\r\n');

  test('the values of .env files are hidden wherever they occur, and nothing else is', () => {
    const secrets = new Secrets(key(1));
    secrets.addEnvFile(env);
    const hidden = ['correct-horse', 'with "quotes" and space', 'pepper', 'a.b*c(d)[e]'];
    for (const value of hidden)
      expect(secrets.hide(`log: ${value}!`), value).toMatch(/^log: DEVLM_SECRET_[0-9A-F]{20}!$/);
    const plain =
      'development true 8080 https://example.com/path ${OTHER} pk-something-long abc not this aXb*c(d)[e] google users: /run/secrets/token postgres';
    expect(secrets.hide(plain)).toBe(plain);
    expect(secrets.restore(secrets.hide(env))).toBe(env);
  });

  test('.env files are parsed like the common parsers do', () => {
    expect(envValues('A=1\n B = two words \nC="x\\ny"\n#D=4\nE=')).toEqual([
      { name: 'A', value: '1', raw: '1' },
      { name: 'B', value: 'two words', raw: 'two words' },
      { name: 'C', value: 'x\ny', raw: 'x\\ny' },
      { name: 'E', value: '', raw: '' },
    ]);
  });

  test('the longest of .env values that contain each other is replaced', () => {
    const secrets = new Secrets(key(1));
    secrets.add('secret');
    secrets.add('secret-long');
    expect(secrets.hide('secret-long')).toMatch(/^DEVLM_SECRET_[0-9A-F]{20}$/);
  });
});

describe('other forms of a value', () => {
  const value = 'correct horse+battery/stäple"1';
  const secrets = new Secrets(key(1));
  secrets.add(value);

  test.each([
    ['base64', Buffer.from(value).toString('base64')],
    ['base64 of a user and a password', Buffer.from(`me:${value}`).toString('base64')],
    ['base64 in other text', Buffer.from(`a longer user:${value}, and more`).toString('base64')],
    ['base64url', Buffer.from(`x${value}`).toString('base64url')],
    ['hexadecimal', Buffer.from(value).toString('hex')],
    ['an address', `https://example.com/?q=${encodeURIComponent(value)}`],
    ['a form', new URLSearchParams({ q: value }).toString()],
    ['JSON', JSON.stringify({ password: value })],
  ])('%s', (_, text) => {
    const hidden = secrets.hide(text);
    expect(hasPlaceholder(hidden)).toBe(true);
    // At most the characters that are also part of adjacent text are left.
    const left = hidden.replace(/DEVLM_SECRET_[0-9A-F]{20}/, '');
    expect(left.length).toBeLessThan(text.length - value.length + 4);
    expect(secrets.restore(hidden)).toBe(text);
  });

  test('a value of several lines is hidden line by line, whatever the line ends', () => {
    const lines = new Secrets(key(1));
    lines.addEnvFile('PRIVATE_KEY="first-line-of-it\r\nsecond-line-of-it"\r\n');
    const text = 'a first-line-of-it\r\nb second-line-of-it\n';
    expect(lines.hide(text)).toMatch(/^a DEVLM_SECRET_\w{20}\r\nb DEVLM_SECRET_\w{20}\n$/);
    const escaped = new Secrets(key(1));
    escaped.addEnvFile('PRIVATE_KEY="first-line\\nsecond-line"');
    expect(escaped.hide('first-line\\nsecond-line')).toMatch(/^DEVLM_SECRET_\w{20}$/);
    expect(escaped.hide('first-line\nsecond-line')).not.toContain('-line');
  });

  test.each(['\\n', '\\t', '%0A', '\u001b[31m'])('a credential right after %j is hidden', (before) => {
    for (const [name, text, secret] of secretTexts.filter(([, text, one]) => text === one && !one.includes('\n')))
      expect(new Secrets(key(1)).hide(before + text), name).not.toContain(secret);
  });

  test('a placeholder from before a restart is resolved once its value is known again', () => {
    const before = new Secrets(key(1));
    before.addEnvFile('APP_TOKEN=correct-horse');
    const hidden = before.hide('correct-horse');
    const after = new Secrets(key(1));
    expect(after.restore(hidden)).toBeNull();
    after.addEnvFile('APP_TOKEN=correct-horse');
    expect(after.restore(hidden)).toBe('correct-horse');
  });

  test('a credential that was found by the name next to it is also found alone', () => {
    const alone = new Secrets(key(1));
    const secret = letters(32, 'abcdefghijkmnopqrstuvwxyz0123456789');
    const hidden = alone.hide(`it printed ${secret}\nconst apiKey = "${secret}";`);
    expect(hidden).not.toContain(secret);
    expect(alone.hide(`and ${secret} again`)).not.toContain(secret);
  });
});

test('the number of remembered secrets is bounded, and the oldest are forgotten first', () => {
  const secrets = new Secrets(key(1));
  for (let i = 0; i < 1_100; i++) secrets.add(`a-value-number-${i}-`);
  expect(secrets.hide('a-value-number-0-')).toBe('a-value-number-0-');
  expect(secrets.hide('a-value-number-1099-')).toMatch(/^DEVLM_SECRET_/);
  const first = secrets.hide('a-value-number-1099-');
  const many = Array.from({ length: 11_000 }, (_, i) => `https://u:pass${i}word@example.com`);
  expect(secrets.hide(many.join('\n'))).not.toContain('word@');
  expect(secrets.restore(first)).toBeNull();
});

test('a placeholder may stay in a text, but not be added to it', () => {
  const [one, two] = ['DEVLM_SECRET_0123456789ABCDEF0123', 'DEVLM_SECRET_1123456789ABCDEF0123'];
  expect(addedPlaceholders(`A=${one}\nB=1`, `A=${one}\nB=2`)).toEqual([]);
  expect(addedPlaceholders(`A=${one}\nB=1`, 'B=2')).toEqual([]);
  expect(addedPlaceholders(`A=${one}`, `A=${one}\nC=${one}`)).toEqual([one]);
  expect(addedPlaceholders(`A=${one}`, `A=${two}`)).toEqual([two]);
  expect(addedPlaceholders('', `x = "${one?.toLowerCase()}"`)).toHaveLength(1);
});

describe('a stream', () => {
  const whole = secretTexts.map(([, text]) => `before ${text} after`).join('\n');
  const streamOf = (secrets: Secrets) => {
    const told = { text: '' };
    return {
      told,
      stream: secrets.stream((text) => {
        told.text += text;
      }),
    };
  };

  test.each([1, 7, 64, 1000, 100_000])(
    'a stream in chunks of %i characters hides the same as the whole text',
    (size) => {
      const secrets = new Secrets(key(1));
      const { told, stream } = streamOf(secrets);
      for (let at = 0; at < whole.length; at += size) stream.push(whole.slice(at, at + size));
      stream.end();
      for (const [name, , secret] of secretTexts)
        for (const line of secret.split('\n').filter((one) => !one.startsWith('-----')))
          expect(told.text.includes(line), name).toBe(false);
      expect(told.text).toBe(secrets.hide(whole));
    },
  );

  test('a hiding stream emits lines as they end, and a long line in time', () => {
    const { told, stream } = streamOf(new Secrets(key(1)));
    stream.push('one\ntw');
    expect(told.text).toBe('one\n');
    stream.push('o\n');
    expect(told.text).toBe('one\ntwo\n');
    const [, text = '', secret = ''] = secretTexts[0] ?? [];
    for (let round = 0; round < 300; round++) stream.push(`${letters(97, 'abc ')} ${text} `);
    expect(told.text.length).toBeGreaterThan(5000);
    stream.end();
    expect(told.text).not.toContain(secret);
    expect(told.text).not.toContain(secret.slice(0, 30));
    expect(told.text.match(/DEVLM_SECRET_[0-9A-F]{20} /g)).toHaveLength(300);
  });

  test('a hiding stream emits a line that grows and does not end', async () => {
    const { told, stream } = streamOf(new Secrets(key(1)));
    const timer = setInterval(() => stream.push('.'), 20);
    try {
      await expect.poll(() => told.text.length, { timeout: 10_000 }).toBeGreaterThan(5);
    } finally {
      clearInterval(timer);
      stream.end();
    }
    expect(told.text).toMatch(/^\.+$/);
  });

  test('a hiding stream emits a prompt without line end, and still hides what follows', async () => {
    const secrets = new Secrets(key(1));
    const { told, stream } = streamOf(secrets);
    stream.push('password: ');
    await expect.poll(() => told.text, { timeout: 10_000 }).toBe('password: ');
    stream.push('Tr0ub4dor&3x!q\nnext\n');
    expect(told.text).toMatch(/^password: DEVLM_SECRET_\w{20}\nnext\n$/);
  });
});

test('hiding credentials in a large text takes bounded time', () => {
  const line = 'const token = next(); // password key secret :// sk- https://example.com/a?b=c\n';
  const large = line.repeat(Math.ceil(1_000_000 / line.length));
  const spiky = `${'a'.repeat(200_000)} token=${'a1'.repeat(100_000)} ://${':'.repeat(50_000)} eyJ${'a'.repeat(100_000)}`;
  const secrets = new Secrets(key(1));
  for (let i = 0; i < 400; i++) secrets.add(`${letters(30, 'abcdefghijk0123456789', i + 1)}${i}`);
  for (const text of [large, spiky]) {
    const before = performance.now();
    secrets.hide(text);
    expect(performance.now() - before).toBeLessThan(3000);
  }
});

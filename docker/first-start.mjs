/*
 * Creates the secrets of `docker compose up` at the first start. Later starts change nothing. Plain Node, no dependencies.
 * usage: node first-start.mjs FOLDER
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
if (!folder) throw new Error('usage: node first-start.mjs FOLDER');
mkdirSync(folder, { recursive: true });

// Has no characters with a meaning in a URL or a configuration file.
const password = () => randomBytes(32).toString('hex');
const postgres = password();
const redis = password();

/**
 * The files by name. A password and the URL that contains it belong together, so they are created together. Only the
 * containers that mount the volume see the files. Each container has its own user, so the files are readable by all.
 */
const files = {
  'postgres-password': postgres,
  'database-url': `postgres://devlm:${postgres}@postgres:5432/devlm`,
  'redis.conf': [
    'save ""',
    'appendonly no',
    'maxmemory 256mb',
    'maxmemory-policy allkeys-lru',
    'dir /tmp',
    `requirepass ${redis}`,
    '',
  ].join('\n'),
  'redis-url': `redis://:${redis}@redis:6379`,
  'data-key': randomBytes(32).toString('base64'),
  'searxng.yml': [
    'use_default_settings: true',
    'server:',
    `  secret_key: ${password()}`,
    '  limiter: false',
    'search:',
    '  formats: [html, json]',
    '',
  ].join('\n'),
};

const done = join(folder, 'complete');
if (existsSync(done)) {
  process.stdout.write('The secrets already exist.\n');
} else {
  for (const [name, text] of Object.entries(files)) {
    const temporary = join(folder, `.${name}.new`);
    writeFileSync(temporary, text, { mode: 0o444, flush: true });
    renameSync(temporary, join(folder, name));
  }
  // No other service starts before this file exists.
  writeFileSync(done, `${new Date().toISOString()}\n`, { flush: true });
  process.stdout.write('Created the secrets of this installation. Back up the volume, above all data-key.\n');
}

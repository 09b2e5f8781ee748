/*
 * The secrets of `docker compose up`, made once: what is there stays. Plain Node, without dependencies.
 * usage: node first-start.mjs FOLDER
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
if (!folder) throw new Error('usage: node first-start.mjs FOLDER');
mkdirSync(folder, { recursive: true });

// Without characters that would mean something in a URL or a configuration file.
const password = () => randomBytes(32).toString('hex');
const postgres = password();
const redis = password();

/**
 * All or none, written whole: a password and the URL that has it belong together. Only the containers that mount the
 * volume see the files; each runs as a user of its own, so that all have to be able to read them.
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
  process.stdout.write('The secrets are there.\n');
} else {
  for (const [name, text] of Object.entries(files)) {
    const temporary = join(folder, `.${name}.new`);
    writeFileSync(temporary, text, { mode: 0o444, flush: true });
    renameSync(temporary, join(folder, name));
  }
  // Until this is there, no other service has started.
  writeFileSync(done, `${new Date().toISOString()}\n`, { flush: true });
  process.stdout.write('Made the secrets of this installation. Keep a copy of the volume, above all of data-key.\n');
}

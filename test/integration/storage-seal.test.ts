import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionRecord, Snippet } from '@devlm/protocol/execution.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deriveKey, readDataKey } from '../../server/src/data-key.ts';
import { openSqlite } from '../../server/src/storage/sqlite/sqlite.ts';

const hash = 'a'.repeat(64);
const text = 'the words that nobody else may read';
const record: ExecutionRecord = {
  id: 'run-1',
  status: 'ok',
  exitCode: 0,
  signal: null,
  message: null,
  language: 'python',
  command: ['python3', 'main.py'],
  stdout: text,
  stderr: '',
  order: [{ stream: 'stdout', chars: text.length }],
  truncated: { stdout: false, stderr: false },
  artifacts: [],
  artifactsTruncated: false,
  limits: { memoryMb: 50, cpus: 0.5, wallMs: 1_000, processes: 8, outputBytes: 1_000, fileBytes: 1_000 },
  queuedMs: 0,
  wallMs: 1,
  cpuMs: null,
  peakMemoryBytes: null,
  engine: null,
  image: null,
  inputHash: hash,
  programHash: hash,
  inputs: [],
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: '2026-01-01T00:00:01.000Z',
  origin: null,
  reusedFrom: null,
};
const snippet: Snippet = {
  language: 'python',
  entry: 'main.py',
  command: ['python3', 'main.py'],
  files: [{ path: 'main.py', content: text, encoding: 'utf8' }],
  stdin: '',
};

describe('what has to be stored as it is', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'devlm-seal-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const open = (key?: Uint8Array) => openSqlite({ file: join(dir, 'devlm.db'), version: '0', key });
  const key = (fill: number) => new Uint8Array(32).fill(fill);

  it('a sealed value can be opened only with the same key', async () => {
    const store = await open(key(1));
    const data = Buffer.from(text);
    const blob = await store.blobs.put({ mediaType: 'text/plain', data });
    expect(await store.blobs.put({ mediaType: 'text/plain', data })).toBe(blob);
    await store.executions.save(record, snippet);
    expect(Buffer.from((await store.blobs.get(blob))?.data ?? []).toString()).toBe(text);
    expect((await store.executions.get('run-1'))?.stdout).toBe(text);
    expect((await store.executions.snippet(hash))?.files[0]?.content).toBe(text);
    const files = readdirSync(dir).map((name) => readFileSync(join(dir, name)));
    expect(files.some((bytes) => bytes.includes(blob))).toBe(true);
    expect(files.some((bytes) => bytes.includes(text))).toBe(false);
    await store.close();
    const other = await open(key(2));
    const damaged = { problem: { code: 'store_damaged' } };
    await expect(other.blobs.get(blob)).rejects.toMatchObject(damaged);
    await expect(other.executions.get('run-1')).rejects.toMatchObject(damaged);
    await other.close();
  });

  it('a value that an earlier version stored unsealed can be read', async () => {
    const before = await open();
    const blob = await before.blobs.put({ mediaType: 'text/plain', data: Buffer.from(text) });
    await before.executions.save(record, snippet);
    await before.close();
    const after = await open(key(1));
    expect(Buffer.from((await after.blobs.get(blob))?.data ?? []).toString()).toBe(text);
    expect((await after.executions.get('run-1'))?.stdout).toBe(text);
    await after.close();
  });
});

describe('the data key', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'devlm-key-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('the data key is created once, is readable by the user only, and gives a separate key for each purpose', () => {
    const key = readDataKey(dir, undefined);
    expect(key).toHaveLength(32);
    expect(readDataKey(dir, undefined)).toEqual(key);
    if (process.platform !== 'win32') expect(statSync(join(dir, 'data.key')).mode & 0o777).toBe(0o600);
    expect(deriveKey(key, 'one')).toEqual(deriveKey(key, 'one'));
    expect(deriveKey(key, 'one')).not.toEqual(deriveKey(key, 'two'));
  });

  it('the configured data key is used if nodes share a database', () => {
    const configured = Buffer.alloc(32, 7).toString('base64');
    expect(Buffer.from(readDataKey(dir, configured)).toString('base64')).toBe(configured);
    expect(readdirSync(dir)).toEqual([]);
    expect(() => readDataKey(dir, 'c2hvcnQ=')).toThrow(
      expect.objectContaining({ problem: expect.objectContaining({ code: 'config_invalid' }) }),
    );
  });

  it('a damaged data key is reported', () => {
    readDataKey(dir, undefined);
    rmSync(join(dir, 'data.key'));
    const missing = join(dir, 'no', 'folder');
    expect(() => readDataKey(missing, undefined)).toThrow(
      expect.objectContaining({ problem: expect.objectContaining({ code: 'data_key_damaged' }) }),
    );
  });
});

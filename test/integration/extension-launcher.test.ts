import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Discovery, discoveryFile, logsFolder } from '@devlm/protocol/discovery.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAlive, readDiscovery } from '../../extension/src/connection/discovery.ts';
import { Launcher, type LauncherOptions } from '../../extension/src/connection/launcher.ts';
import { problemsOf } from '../../extension/src/problems.ts';
import { startClaude } from '../support/claude/server.ts';
import { serverBundle as bundle, serverVersion as version } from '../support/extension.ts';
import { newConversation, send, TestServer } from '../support/server.ts';

/** The real server, started as the extension starts it. */
describe('launcher', { timeout: 40_000 }, () => {
  const problems = problemsOf((text, ...args) => text.replace('{0}', String(args[0])));
  const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
  let folder: string;
  let dataDir: string;
  const launcher = (more: Partial<LauncherOptions> = {}) =>
    new Launcher({ dataDir, bundle, version, log, problems, env: { PATH: process.env['PATH'] }, ...more });
  const connect = (more?: Partial<LauncherOptions>) => launcher(more).connect(AbortSignal.timeout(30_000));
  const discoveryPath = () => join(dataDir, discoveryFile);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'devlm-launcher-'));
    dataDir = folder;
  });
  afterEach(async () => {
    const running = await readDiscovery(dataDir);
    if (running && running.pid !== process.pid) {
      process.kill(running.pid, 'SIGKILL');
      while (isAlive(running.pid)) await sleep(10);
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });

  it('the launcher starts a server with private files, and finds it again', async () => {
    dataDir = join(dataDir, 'not/there/yet');
    const first = await connect();
    expect((await stat(discoveryPath())).mode & 0o777).toBe(0o600);
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    expect((await stat(join(dataDir, logsFolder, 'server-stderr.log'))).mode & 0o777).toBe(0o600);
    expect((await connect()).discovery).toEqual(first.discovery);
    expect(first.info).toMatchObject({ version, mode: 'embedded', key: 'missing' });
  });

  it('four windows that start at once share one server', async () => {
    const found = await Promise.all(Array.from({ length: 4 }, () => connect()));
    expect(new Set(found.map(({ discovery }) => discovery.pid)).size).toBe(1);
    expect(new Set(found.map(({ discovery }) => discovery.secret)).size).toBe(1);
  });

  const stale = (more: Partial<Discovery>) =>
    JSON.stringify({
      port: 1,
      secret: 's'.repeat(43),
      pid: process.pid,
      version,
      protocol: 1,
      startedAt: new Date().toISOString(),
      ...more,
    });

  it('a discovery file that is accessible to others, damaged or stale is not trusted', async () => {
    await writeFile(discoveryPath(), stale({}), { mode: 0o600 });
    expect(await readDiscovery(dataDir)).not.toBeNull();
    await chmod(discoveryPath(), 0o644);
    expect(await readDiscovery(dataDir)).toBeNull();
    await chmod(discoveryPath(), 0o600);
    for (const text of [
      '',
      '{',
      stale({ secret: 'short' }),
      stale({ port: 0 }),
      ' '.repeat(5000),
      stale({ pid: 2 ** 22 + 1 }),
    ]) {
      await writeFile(discoveryPath(), text);
      expect(await readDiscovery(dataDir)).toBeNull();
    }
  });

  it('another program on the port is not taken for the server', async () => {
    const answers = ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}', 'SSH-2.0-other\r\n', ''];
    for (const answer of answers) {
      const other = createServer((socket) => socket.on('error', () => undefined).end(answer));
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const address = other.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      await writeFile(discoveryPath(), stale({ port }), { mode: 0o600 });
      const { discovery } = await connect();
      expect(discovery.port).not.toBe(port);
      process.kill(discovery.pid, 'SIGKILL');
      while (isAlive(discovery.pid)) await sleep(10);
      other.close();
    }
  });

  it('a server that cannot start is reported with its own message', async () => {
    await writeFile(join(dataDir, 'config.json'), '{"streamIdleMs": "soon"}');
    await expect(connect()).rejects.toMatchObject({
      problem: { code: 'config_invalid', detail: expect.stringContaining('streamIdleMs') },
    });
  });

  it('a server that exits silently or does not exist is reported', async () => {
    const broken = join(dataDir, 'broken.mjs');
    await writeFile(broken, 'console.error("oh");process.exit(7)');
    await expect(connect({ bundle: broken })).rejects.toMatchObject({
      problem: { code: 'server_start_failed', detail: expect.stringContaining('exit code 7') },
    });
    await expect(connect({ execPath: join(dataDir, 'no-node') })).rejects.toMatchObject({
      problem: { code: 'server_start_failed', detail: expect.stringContaining('ENOENT') },
    });
  });

  it('a start times out and leaves no half-started server behind', async () => {
    const hanging = join(dataDir, 'hanging.mjs');
    const pidFile = join(dataDir, 'pid');
    await writeFile(
      hanging,
      `import fs from 'node:fs'; fs.writeFileSync(${JSON.stringify(pidFile)}, String(process.pid)); setInterval(() => {}, 1000)`,
    );
    await expect(connect({ bundle: hanging, timeoutMs: 1000 })).rejects.toMatchObject({
      problem: { code: 'server_start_timeout', action: 'restart-server' },
    });
    const pid = Number(await readFile(pidFile, 'utf8'));
    for (let i = 0; i < 200 && isAlive(pid); i++) await sleep(10);
    expect(isAlive(pid)).toBe(false);
  });

  it('the stderr log of the servers is rotated', async () => {
    const log = join(dataDir, logsFolder, 'server-stderr.log');
    await connect().then(({ discovery }) => process.kill(discovery.pid, 'SIGKILL'));
    await writeFile(log, 'x'.repeat(1_100_000));
    await sleep(100);
    await connect();
    expect((await stat(log)).size).toBeLessThan(10_000);
    expect((await stat(`${log}.old`)).size).toBe(1_100_000);
  });

  it('an idle server of an older version is replaced', async () => {
    const older = await connect();
    const newer = await connect({ version: '99.0.0' });
    expect(newer.discovery.pid).not.toBe(older.discovery.pid);
    await expect.poll(() => isAlive(older.discovery.pid), { timeout: 5000 }).toBe(false);
  });

  it('a busy server of an older version is kept', async () => {
    await using claude = await startClaude();
    await using server = await TestServer.start({ dataDir, claudeUrl: claude.url });
    claude.on('slowly', { blocks: 'word '.repeat(400), pace: { chunkChars: 5, chunksPerSecond: 20 } });
    await send(server, await newConversation(server), 'slowly');
    await claude.received();
    const found = await connect({ version: '99.0.0' });
    expect(found.discovery.pid).toBe(server.discovery.pid);
    expect(found.info.busyTurns).toBe(1);
  });

  it('the launcher ends a server on request, and no other process', async () => {
    const { discovery } = await connect();
    await launcher().end(AbortSignal.timeout(10_000));
    await expect.poll(() => isAlive(discovery.pid), { timeout: 5000 }).toBe(false);
    // A stale file names a process of this user that is not a server: this one.
    await writeFile(discoveryPath(), stale({}), { mode: 0o600 });
    await launcher().end(AbortSignal.timeout(10_000));
    expect(isAlive(process.pid)).toBe(true);
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../scripts/run.ts';
import { end, type Peer } from '../support/script.ts';

/** Target of calls to the Messages API. */
export interface Target {
  readonly name: 'direct' | 'bare' | 'devlm' | 'portkey';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** Dependencies of Portkey's npm package, which does not start with newer ones: https://github.com/Portkey-AI/gateway */
const portkey = {
  dependencies: { '@portkey-ai/gateway': '1.15.2' },
  overrides: { hono: '4.6.14', '@hono/node-server': '1.13.7' },
};

/** Installs Portkey's gateway once, in the cache folder of node_modules, and starts it. */
export async function startPortkey(): Promise<Peer> {
  const folder = join(import.meta.dirname, '../../node_modules/.cache/devlm/portkey-1.15.2');
  const script = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js');
  const { existsSync } = await import('node:fs');
  if (!existsSync(script)) {
    const temporary = `${folder}.${process.pid}`;
    await mkdir(temporary, { recursive: true });
    await writeFile(join(temporary, 'package.json'), JSON.stringify({ private: true, ...portkey }));
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const { code } = await run('npm', args, { cwd: temporary, inherit: true });
    if (code !== 0) throw new Error('Portkey could not be installed.');
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
  }
  const port = await freePort();
  const child = spawn(process.execPath, [script, `--port=${port}`, '--headless'], {
    stdio: 'ignore',
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const url = `http://127.0.0.1:${port}`;
  for (
    let tries = 0;
    !(await fetch(url).then(
      () => true,
      () => false,
    ));
    tries++
  ) {
    if (tries > 200 || child.exitCode !== null) throw new Error('Portkey did not start.');
    await sleep(50);
  }
  return { url, [Symbol.asyncDispose]: () => end(child) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

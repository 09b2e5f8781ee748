import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import type { Language } from '@devlm/protocol/execution.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dialPublic } from '../../server/src/actions/web/dial.ts';
import { openChannel } from '../../server/src/sandbox/docker/channel.ts';
import { allows, type Dial } from '../../server/src/sandbox/docker/proxy.ts';
import { share } from '../support/deep.ts';
import { type OpenSandbox, openSandbox, runProgram } from '../support/sandboxes.ts';

const languages = ['python', 'javascript', 'ruby', 'go', 'bash'] as const satisfies Language[];
const noise = randomBytes(3_000_000);
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

/** Addresses of public names: servers of the test, or an address that must not be reached. */
const addresses: Record<string, string> = { 'api.example.org': '93.184.216.34', 'evil.example.org': '93.184.216.35' };
const metadata = '169.254.169.254';

let sandbox: OpenSandbox;
let web: ReturnType<typeof createServer>;
const seen: string[] = [];
const open = new Set<Socket>();

beforeAll(async () => {
  web = createServer((request, response) => {
    // Programs and relays are killed during a request.
    answer(request, response).catch(() => response.destroy());
  }).listen(0, '127.0.0.1');
  await once(web, 'listening');
  web.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  const { port } = web.address() as AddressInfo;
  const dial: Dial = (host, wanted, signal) =>
    dialPublic(host, wanted, signal, {
      resolve: async (name) => [addresses[name] ?? metadata],
      dial: () => ({ host: '127.0.0.1', port }),
    });
  sandbox = await openSandbox('docker', languages, { dial });
}, 300_000);
afterAll(async () => {
  await sandbox?.[Symbol.asyncDispose]();
  web?.close();
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  seen.push(`${request.method} ${request.headers.host}${request.url}`);
  if (request.url === '/noise') return void response.end(noise);
  if (request.url === '/never') return;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  response.end(request.method === 'POST' ? sha256(Buffer.concat(chunks)) : `hello from ${request.headers.host}`);
}

const run = (language: (typeof languages)[number], source: string, allow = ['api.example.org']) =>
  runProgram(sandbox.sandbox, { language, source, network: { allow }, limits: { wallMs: 60_000 } });

const python = (body: string) => `import urllib.request as web, urllib.error
def get(url):
  try: return web.urlopen(url, timeout=20).read().decode()
  except urllib.error.HTTPError as e: return str(e.code) + " " + e.read().decode()
  except Exception as e: return type(e).__name__
${body}`;

describe('a program with a list of hosts', () => {
  const programs = [
    ['python', python('print(get("http://api.example.org/a"))')],
    ['javascript', 'console.log(await (await fetch("http://api.example.org/a")).text())'],
    ['ruby', 'require "net/http"; puts Net::HTTP.get(URI("http://api.example.org/a"))'],
    [
      'go',
      'package main\nimport ("fmt"; "io"; "net/http")\nfunc main() { r, err := http.Get("http://api.example.org/a"); if err != nil { panic(err) }; b, _ := io.ReadAll(r.Body); fmt.Println(string(b)) }',
    ],
  ] as const;
  test.for(share(programs, 2))(
    'a program in %s reaches a host on its list',
    { timeout: 120_000 },
    async ([language, source]) => {
      const { result } = await run(language, source);
      expect(result).toMatchObject({
        status: 'ok',
        message: null,
        stdout: 'hello from api.example.org\n',
        stderr: '',
        engine: { networkCut: true },
      });
    },
  );

  test('a program reaches no host that is missing on its list or has no public address', {
    timeout: 60_000,
  }, async () => {
    const before = seen.length;
    const { result } = await run(
      'python',
      python(`
for url in ["http://evil.example.org/", "http://api.example.org:8080/", "http://inside.example.org/", "http://127.0.0.1:1/", "http://10.0.0.1/", "https://evil.example.org/"]:
  print(get(url).strip())`),
      ['api.example.org', 'inside.example.org', '10.0.0.1'],
    );
    const lines = result.stdout.trim().split('\n');
    expect(lines[0]).toBe('403 This run is not allowed to reach evil.example.org:80.');
    expect(lines[1]).toMatch(/^403 /);
    expect(lines[2]).toMatch(/^502 Cannot reach inside\.example\.org: /);
    expect(lines[3]).toBe('URLError');
    expect(lines[4]).toMatch(/^502 /);
    expect(lines[5]).toBe('URLError');
    expect(seen.slice(before)).toEqual([]);
  });

  test('a program has no network access except through the proxy', { timeout: 60_000 }, async () => {
    const { result } = await run(
      'python',
      `import socket
for address in [("93.184.216.34", 80), ("8.8.8.8", 53), ("172.17.0.1", 80)]:
  try: socket.create_connection(address, 2); print("reached")
  except OSError as e: print(e.strerror)
try: socket.gethostbyname("api.example.org"); print("resolved")
except OSError as e: print("no name")`,
    );
    expect(result.stdout).toBe(`${'Network is unreachable\n'.repeat(3)}no name\n`);
  });

  test('a program can open TLS tunnels to the hosts on its list only', { timeout: 60_000 }, async () => {
    const { result } = await run(
      'python',
      `import socket
def tunnel(host, after):
  s = socket.create_connection(("127.0.0.1", 3128), 5); s.sendall(f"CONNECT {host} HTTP/1.1\\r\\n\\r\\n".encode())
  print(s.recv(1000).split(b"\\r\\n")[0].decode())
  if after: s.sendall(after); print(s.recv(1000).split(b"\\r\\n")[-1].decode())
tunnel("api.example.org:443", b"GET /t HTTP/1.1\\r\\nHost: api.example.org\\r\\nConnection: close\\r\\n\\r\\n")
tunnel("api.example.org:22", None)
tunnel("evil.example.org:443", None)
tunnel("[::1]:443", None)
tunnel("", None)`,
    );
    expect(result.stdout.split('\n')).toEqual([
      'HTTP/1.1 200 Connection established',
      'hello from api.example.org',
      ...Array(3).fill('HTTP/1.1 403 Forbidden'),
      expect.stringMatching(/^HTTP\/1\.1 40[03] /),
      '',
    ]);
  });

  test('the proxy transfers megabytes unchanged in both directions, over several connections at once', {
    timeout: 120_000,
  }, async () => {
    const { result } = await runProgram(sandbox.sandbox, {
      language: 'python',
      source: python(`
import hashlib, concurrent.futures as f
def down(_): return hashlib.sha256(web.urlopen("http://api.example.org/noise").read()).hexdigest()
def up(_): return web.urlopen("http://api.example.org/up", data=b"x" * 2_000_000).read().decode()
with f.ThreadPoolExecutor(6) as pool:
  print(*set(pool.map(down, range(4)))); print(*set(pool.map(up, range(4))))`),
      network: { allow: ['api.example.org'] },
      limits: { wallMs: 90_000, memoryMb: 256, cpus: 1 },
    });
    expect(result).toMatchObject({ status: 'ok', stderr: '' });
    expect(result.stdout).toBe(`${sha256(noise)}\n${sha256(Buffer.alloc(2_000_000, 'x'))}\n`);
  });

  test('no connection is left when a program or its relay has ended', { timeout: 60_000 }, async () => {
    const stuck = await runProgram(sandbox.sandbox, {
      language: 'python',
      source: python('print(get("http://api.example.org/never"))'),
      network: { allow: ['api.example.org'] },
      limits: { wallMs: 3_000 },
    });
    expect(stuck.result.status).toBe('timeout');
    await expect.poll(() => open.size, { timeout: 10_000 }).toBe(0);
    const { result } = await run(
      'python',
      `import os, signal
for pid in filter(str.isdigit, os.listdir("/proc")):
  try:
    if b"perl" in open(f"/proc/{pid}/cmdline", "rb").read(): os.kill(int(pid), signal.SIGKILL)
  except OSError: pass
print("still here")`,
    );
    expect(result).toMatchObject({ status: 'ok', stdout: 'still here\n' });
  });

  test('an image that cannot relay connections is reported', { timeout: 60_000 }, async () => {
    const { result } = await run('bash', 'echo hello');
    expect(result).toMatchObject({ status: 'engine-error', message: expect.stringContaining('needs Perl') });
  });
});

describe('the list of hosts', () => {
  test.for([
    [['a.test'], 'a.test', 443, true],
    [['a.test'], 'A.TEST.', 80, true],
    [['a.test'], 'b.a.test', 443, false],
    [['a.test'], 'xa.test', 443, false],
    [['a.test'], 'a.test', 8443, false],
    [['a.test:8443'], 'a.test', 8443, true],
    [['a.test:8443'], 'a.test', 443, false],
    [['*.a.test'], 'b.a.test', 443, true],
    [['*.a.test'], 'a.test', 443, false],
    [['*.a.test'], '.a.test', 443, false],
    [['*'], 'a.test', 443, false],
  ] as const)('the list %j allows host %s, port %i: %s', ([hosts, host, port, expected]) => {
    expect(allows(hosts, host, port)).toBe(expected);
  });
});

describe('frames of a relay that a program has taken over', () => {
  const frame = (number: number, length: number, bytes = Buffer.alloc(Math.min(length, 100_000))) => {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(number, 0);
    header.writeUInt32BE(length, 4);
    return Buffer.concat([header, bytes]);
  };

  test('frames that are larger than the relay creates end the stream', () => {
    const stream = new PassThrough();
    openChannel(stream, () => expect.unreachable())(frame(1, 0xffffffff));
    expect(stream.destroyed).toBe(true);
  });

  test('frames open connections in order, once each, and up to the limit', () => {
    const stream = new PassThrough();
    let opened = 0;
    const receive = openChannel(stream, () => opened++);
    for (const number of [5, 0, 3]) receive(frame(number, 0));
    for (const number of [1, 2, 3]) receive(frame(number, 1));
    expect(opened).toBe(0);
    for (const number of [1, 2]) receive(Buffer.concat([frame(number, 0), frame(number, 1), frame(number, 1)]));
    expect(opened).toBe(2);
    for (let number = 3; number < 500; number++) receive(frame(number, 0));
    expect(opened).toBe(64);
  });

  test('frames are parsed the same however they are split', async () => {
    const stream = new PassThrough();
    const heard: string[] = [];
    const receive = openChannel(stream, (connection) => {
      const index = heard.push('') - 1;
      connection.on('data', (bytes) => {
        heard[index] += bytes;
      });
    });
    // The second connection sends first.
    const hello = [frame(1, 0), frame(2, 0), frame(2, 5, Buffer.from('hello'))];
    const you = [frame(1, 3, Buffer.from('you')), frame(1, 0), frame(3, 0)];
    for (const byte of Buffer.concat([...hello, ...you])) receive(Buffer.from([byte]));
    await expect.poll(() => heard).toEqual(['you', 'hello', '']);
  });
});

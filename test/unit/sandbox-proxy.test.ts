import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createProxy } from '../../server/src/sandbox/docker/proxy.ts';
import { exchange } from '../support/raw-http.ts';
import { uncaughtErrors } from '../support/uncaught.ts';

/** Returns a proxy whose only host sends these bytes to every connection, and closes it. */
describe('the proxy of a run', () => {
  let said: string;
  let host: Server;
  let proxy: ReturnType<typeof createProxy>;
  const stop = new AbortController();
  const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;
  const uncaught = uncaughtErrors();
  beforeEach(async () => {
    host = createServer((socket) => {
      socket.on('error', () => {}).once('data', () => socket.end(said));
    });
    host.listen(0, '127.0.0.1');
    await once(host, 'listening');
    const dial = async () => {
      const socket = connect(portOf(host), '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    };
    proxy = createProxy(['api.example.org'], dial, stop.signal);
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
  });
  afterEach(() => {
    host.close();
    proxy.closeAllConnections();
    proxy.close();
  });
  const get = () =>
    exchange(
      portOf(proxy),
      'GET http://api.example.org/ HTTP/1.1\r\nHost: api.example.org\r\nConnection: close\r\n\r\n',
    );

  it('the proxy of a run forwards the response of the host', async () => {
    said = 'HTTP/1.1 203 Fine\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok';
    const heard = await get();
    expect(heard).toMatch(/^HTTP\/1\.1 203 /);
    expect(heard).toMatch(/x-a: b\r\n/i);
    expect(heard).toMatch(/ok$/);
  });

  it.each([
    ['a status that is none', 'HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n'],
    ['a status of zeros', 'HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n'],
    ['a switch of protocols', 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nrest'],
    ['no HTTP', 'hello\r\n\r\n'],
    ['nothing', ''],
    ['a header of strange bytes', 'HTTP/1.1 200 OK\r\nX-A: \xff\xfe\x80\r\nContent-Length: 0\r\n\r\n'],
    ['a body cut short', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  ])('outlives %s', async (_what, bytes) => {
    said = bytes;
    await get();
    await sleep(50);
    expect(uncaught).toEqual([]);
    said = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
    expect(await get()).toMatch(/ok$/);
  });
});

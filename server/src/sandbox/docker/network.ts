import type { Job } from '../sandbox.ts';
import { relay } from './boot/relay.ts';
import { openChannel } from './channel.ts';
import { EngineError } from './client.ts';
import { type Container, demultiplex } from './container.ts';
import { createProxy, type Dial } from './proxy.ts';

/** On the container's own loopback; it has no other network. */
const port = 3128;
const readyMs = 10_000;
const saidChars = 300;

/** The variables by which programs find a proxy; Node reads its own switch when it starts. */
export function proxyEnv(): Job['env'] {
  const address = `http://127.0.0.1:${port}`;
  const none = 'localhost,127.0.0.1';
  const lower = { http_proxy: address, https_proxy: address, no_proxy: none };
  return { ...lower, HTTP_PROXY: address, HTTPS_PROXY: address, NO_PROXY: none, NODE_USE_ENV_PROXY: '1' };
}

/**
 * Gives a container that has no network a way to the hosts of its job: a relay inside carries connections
 * over the engine's own stream to a proxy in this process. So nothing else can be reached, whatever the
 * program does, and the engine may be on another machine. Until the signal aborts.
 *
 * @throws EngineError where the image cannot run the relay
 */
export async function openNetwork(container: Container, job: Job, dial: Dial, signal: AbortSignal): Promise<void> {
  const stream = await container.exec(['perl', '-e', relay, String(port)], signal);
  const end = () => stream.destroy();
  signal.addEventListener('abort', end, { once: true });
  stream.once('close', () => signal.removeEventListener('abort', end));
  stream.on('error', end);
  const proxy = createProxy(job.allowedHosts, dial, signal);
  const receive = openChannel(stream, (connection) => proxy.emit('connection', connection));
  const ready = Promise.withResolvers<void>();
  let said = '';
  const noRelay = () => {
    const text = `The image ${container.spec.image} needs Perl to carry a program's connections to named hosts (${said.trim() || 'nothing was heard of it'}). Use another image, or run it without network.`;
    ready.reject(new EngineError(text, 0));
  };
  const timer = setTimeout(noRelay, readyMs);
  demultiplex(stream, (from, bytes) => {
    if (said === 'ready\n') return from === 'stdout' ? receive(bytes) : undefined;
    said = (said + bytes.toString('latin1')).slice(0, saidChars);
    if (said === 'ready\n') ready.resolve();
  });
  stream.once('end', noRelay);
  stream.once('close', noRelay);
  try {
    await ready.promise;
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

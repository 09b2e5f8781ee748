import type { Job } from '../sandbox.ts';
import { relay } from './boot/relay.ts';
import { openChannel } from './channel.ts';
import { EngineError } from './client.ts';
import { type Container, demultiplex } from './container.ts';
import { createProxy, type Dial } from './proxy.ts';

/** Port of the relay on the container's loopback interface, which is its only network. */
const port = 3128;
/** Maximum time for the relay to start, in milliseconds. */
const readyTimeoutMs = 10_000;
/** Maximum length of the relay's output that is kept for an error message, in characters. */
const maxOutputChars = 300;

/** Returns the variables by which programs find the proxy. Node reads NODE_USE_ENV_PROXY when it starts. */
export function proxyEnv(): Job['env'] {
  const address = `http://127.0.0.1:${port}`;
  const noProxy = 'localhost,127.0.0.1';
  const lower = { http_proxy: address, https_proxy: address, no_proxy: noProxy };
  return { ...lower, HTTP_PROXY: address, HTTPS_PROXY: address, NO_PROXY: noProxy, NODE_USE_ENV_PROXY: '1' };
}

/**
 * Connects a container without a network to the allowed hosts of its job until the signal aborts. A relay in the
 * container carries connections over a stream of the engine to a proxy in this process. Therefore no other host can be
 * reached, whatever the program does, and the engine may run on another machine.
 *
 * @throws EngineError if the image cannot run the relay
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
  const onFailure = () => {
    const text = `The image ${container.spec.image} needs Perl to relay a program's connections to named hosts, but the relay did not start (${said.trim() || 'no output'}). Use another image, or run the program without network access.`;
    ready.reject(new EngineError(text, 0));
  };
  const timer = setTimeout(onFailure, readyTimeoutMs);
  demultiplex(stream, (from, bytes) => {
    if (said === 'ready\n') return from === 'stdout' ? receive(bytes) : undefined;
    said = (said + bytes.toString('latin1')).slice(0, maxOutputChars);
    if (said === 'ready\n') ready.resolve();
  });
  stream.once('end', onFailure);
  stream.once('close', onFailure);
  try {
    await ready.promise;
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

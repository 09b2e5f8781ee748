import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { checkedTarget, type Network } from './ssrf.ts';

const connectMs = 10_000;

/**
 * Connects to a host of the public network: to the very address that was checked.
 *
 * @throws ProblemError `fetch_refused`, `fetch_failed`; what the connection failed with; the signal's reason
 */
export async function dialPublic(
  host: string,
  port: number,
  signal: AbortSignal,
  network: Network = {},
): Promise<Socket> {
  const { address } = await checkedTarget(`https://${host.includes(':') ? `[${host}]` : host}:${port}/`, network);
  const socket = connect(network.dial?.(address, port) ?? { host: address, port });
  // Later errors show in its end; without a listener they would end the process.
  socket.on('error', () => {});
  try {
    await once(socket, 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(connectMs)]) });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

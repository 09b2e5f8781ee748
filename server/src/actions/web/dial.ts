import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { checkedTarget, type Network } from './ssrf.ts';

/** Time limit for establishing a connection, in milliseconds. */
const connectTimeoutMs = 10_000;

/**
 * Connects to a host of the public network, at the same address that was checked.
 *
 * @throws ProblemError `fetch_refused`, `fetch_failed`; the error of the connection; the signal's reason
 */
export async function dialPublic(
  host: string,
  port: number,
  signal: AbortSignal,
  network: Network = {},
): Promise<Socket> {
  const { address } = await checkedTarget(`https://${host.includes(':') ? `[${host}]` : host}:${port}/`, network);
  const socket = connect(network.dial?.(address, port) ?? { host: address, port });
  // The caller sees a later error as the end of the socket. Without a listener, the error would end the process.
  socket.on('error', () => {});
  try {
    await once(socket, 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(connectTimeoutMs)]) });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

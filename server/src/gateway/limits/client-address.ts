import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';
import proxyAddr from 'proxy-addr';

/**
 * Returns a function that maps a request to the client's address, as the key of a limit: an IPv4 address, or the /64
 * block of an IPv6 address, because one machine may use the whole block.
 *
 * @param trustedProxies addresses and blocks whose `X-Forwarded-For` is trusted; that of any other sender is ignored
 */
export function clientAddress(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
  const trusted = proxyAddr.compile([...trustedProxies]);
  return (request) => {
    const { remoteAddress = '' } = request.socket;
    // A trusted proxy may forward text that is not an address: then its own address counts.
    return addressKey(proxyAddr(request, trusted)) ?? addressKey(remoteAddress) ?? 'unknown';
  };
}

function addressKey(text: string): string | null {
  if (!ipaddr.isValid(text)) return null;
  // Converts an IPv4-mapped IPv6 address to IPv4.
  const address = ipaddr.process(text);
  if (address.kind() === 'ipv4') return address.toString();
  return `${ipaddr.fromByteArray([...address.toByteArray().slice(0, 8), ...Array<number>(8).fill(0)])}/64`;
}

import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';
import proxyAddr from 'proxy-addr';

/**
 * Says whose address a request comes from, as the key of a limit: an IPv4 address, or the /64 of an IPv6 address, all
 * of which one machine may use.
 *
 * @param trustedProxies addresses and blocks whose `X-Forwarded-For` is believed; of nobody else's a word
 */
export function clientAddress(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
  const trusted = proxyAddr.compile([...trustedProxies]);
  return (request) => {
    const { remoteAddress = '' } = request.socket;
    // What a trusted proxy passes on can still be anything: then the proxy's own address counts.
    return addressKey(proxyAddr(request, trusted)) ?? addressKey(remoteAddress) ?? 'unknown';
  };
}

function addressKey(text: string): string | null {
  if (!ipaddr.isValid(text)) return null;
  // An IPv4 address that is written as an IPv6 one becomes IPv4 again.
  const address = ipaddr.process(text);
  if (address.kind() === 'ipv4') return address.toString();
  return `${ipaddr.fromByteArray([...address.toByteArray().slice(0, 8), ...Array<number>(8).fill(0)])}/64`;
}

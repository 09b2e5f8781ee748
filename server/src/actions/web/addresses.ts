import { BlockList, isIP, isIPv4 } from 'node:net';

/**
 * Blocks of IPv4 addresses that are not on the public internet, from IANA's registries of special-purpose addresses
 * (RFC 6890 and its updates), multicast (RFC 5771) and addresses reserved for future use.
 */
const special4: readonly (readonly [string, number, string])[] = [
  ['0.0.0.0', 8, 'this machine'],
  ['10.0.0.0', 8, 'a private network'],
  ['100.64.0.0', 10, "a provider's internal network"],
  ['127.0.0.0', 8, 'this machine'],
  ['169.254.0.0', 16, 'the link-local network, where cloud machines serve their credentials'],
  ['172.16.0.0', 12, 'a private network'],
  ['192.0.0.0', 24, 'a reserved block'],
  ['192.0.2.0', 24, 'a block reserved for documentation'],
  ['192.31.196.0', 24, 'a reserved block'],
  ['192.52.193.0', 24, 'a reserved block'],
  ['192.88.99.0', 24, 'a relay to other networks'],
  ['192.168.0.0', 16, 'a private network'],
  ['192.175.48.0', 24, 'a reserved block'],
  ['198.18.0.0', 15, 'a block reserved for benchmarks'],
  ['198.51.100.0', 24, 'a block reserved for documentation'],
  ['203.0.113.0', 24, 'a block reserved for documentation'],
  ['224.0.0.0', 4, 'a multicast block'],
  ['240.0.0.0', 4, 'a reserved block'],
  // Formally public, but served by the host of a virtual machine on Azure.
  ['168.63.129.16', 32, 'the host of a cloud machine'],
];

/**
 * Blocks of 2000::/3 that are not public. No address outside 2000::/3 is public: those are loopback, local, mapped and
 * translated addresses.
 */
const special6: readonly (readonly [string, number, string])[] = [
  ['2001::', 23, 'a reserved block or a tunnel'],
  ['2001:db8::', 32, 'a block reserved for documentation'],
  ['2002::', 16, 'a tunnel to an IPv4 address'],
  ['2620:4f:8000::', 48, 'a reserved block'],
  ['3fff::', 20, 'a block reserved for documentation'],
];

const listOf = (address: string, bits: number) => {
  const list = new BlockList();
  list.addSubnet(address, bits, isIPv4(address) ? 'ipv4' : 'ipv6');
  return list;
};
const blocks4 = special4.map(([address, bits, what]) => ({ list: listOf(address, bits), what }));
const blocks6 = special6.map(([address, bits, what]) => ({ list: listOf(address, bits), what }));
const global6 = listOf('2000::', 3);

/**
 * Returns a description of the network that an address belongs to, such as "a private network"; null if the address is
 * public.
 */
export function notPublic(address: string): string | null {
  switch (isIP(address)) {
    case 4:
      return blocks4.find(({ list }) => list.check(address, 'ipv4'))?.what ?? null;
    case 6:
      // A zone names a network interface of this machine.
      if (address.includes('%') || !global6.check(address, 'ipv6')) return 'this machine or a local network';
      return blocks6.find(({ list }) => list.check(address, 'ipv6'))?.what ?? null;
    default:
      return 'an unknown network';
  }
}

/** Endings of names that are never on the public internet (RFC 6761, 6762, 7686, 8375, 9476 and common practice). */
const privateEndings = [
  ...['localhost', 'local', 'internal', 'intranet', 'private', 'corp', 'home', 'lan', 'localdomain', 'home.arpa'],
  ...['onion', 'test', 'invalid', 'alt', 'consul', 'svc', 'in-addr.arpa', 'ip6.arpa'],
];

/** Like `notPublic`, for a host name as `URL` normalizes it. */
export function privateName(host: string): string | null {
  const name = host.replace(/\.+$/, '').toLowerCase();
  if (name === '' || name.length > 253) return 'not a host name';
  if (!name.includes('.')) return 'a name in the local network';
  // A numeric last label may be read as an address, in a way that depends on the resolver.
  if (/(^|\.)(\d+|0x[0-9a-f]*)$/.test(name)) return 'not a host name';
  if (!/^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(name)) return 'not a host name';
  return privateEndings.some((ending) => name === ending || name.endsWith(`.${ending}`))
    ? 'a name in the local network'
    : null;
}

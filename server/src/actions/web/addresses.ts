import { BlockList, isIP, isIPv4 } from 'node:net';

/**
 * The address blocks that are not the public internet, from IANA's registries of special-purpose addresses
 * (RFC 6890 and its updates), multicast (RFC 5771) and what is reserved for the future.
 */
const special4: readonly (readonly [string, number, string])[] = [
  ['0.0.0.0', 8, 'this machine'],
  ['10.0.0.0', 8, 'a private network'],
  ['100.64.0.0', 10, "a provider's own network"],
  ['127.0.0.0', 8, 'this machine'],
  ['169.254.0.0', 16, 'the local link, where cloud machines keep their credentials'],
  ['172.16.0.0', 12, 'a private network'],
  ['192.0.0.0', 24, 'a reserved block'],
  ['192.0.2.0', 24, 'a block for examples'],
  ['192.31.196.0', 24, 'a reserved block'],
  ['192.52.193.0', 24, 'a reserved block'],
  ['192.88.99.0', 24, 'a relay to other networks'],
  ['192.168.0.0', 16, 'a private network'],
  ['192.175.48.0', 24, 'a reserved block'],
  ['198.18.0.0', 15, 'a block for measurements'],
  ['198.51.100.0', 24, 'a block for examples'],
  ['203.0.113.0', 24, 'a block for examples'],
  ['224.0.0.0', 4, 'a multicast group'],
  ['240.0.0.0', 4, 'a reserved block'],
  // Public by number, but answered by the host of a virtual machine on Azure.
  ['168.63.129.16', 32, 'the host of a cloud machine'],
];

/** What of 2000::/3 is not public. All else outside of 2000::/3 is not either: loopback, local, mapped, translated. */
const special6: readonly (readonly [string, number, string])[] = [
  ['2001::', 23, 'a reserved block or a tunnel'],
  ['2001:db8::', 32, 'a block for examples'],
  ['2002::', 16, 'a tunnel to an IPv4 address'],
  ['2620:4f:8000::', 48, 'a reserved block'],
  ['3fff::', 20, 'a block for examples'],
];

const listOf = (address: string, bits: number) => {
  const list = new BlockList();
  list.addSubnet(address, bits, isIPv4(address) ? 'ipv4' : 'ipv6');
  return list;
};
const blocks4 = special4.map(([address, bits, what]) => ({ list: listOf(address, bits), what }));
const blocks6 = special6.map(([address, bits, what]) => ({ list: listOf(address, bits), what }));
const global6 = listOf('2000::', 3);

/** What kind of place an address is that must not be fetched from, as "a private network"; null for a public one. */
export function notPublic(address: string): string | null {
  switch (isIP(address)) {
    case 4:
      return blocks4.find(({ list }) => list.check(address, 'ipv4'))?.what ?? null;
    case 6:
      // A zone is a name of this machine's own links.
      if (address.includes('%') || !global6.check(address, 'ipv6')) return 'this machine or a local network';
      return blocks6.find(({ list }) => list.check(address, 'ipv6'))?.what ?? null;
    default:
      return 'not an address';
  }
}

/** Endings that never are names of the public internet (RFC 6761, 6762, 7686, 8375, 9476 and common practice). */
const privateEndings = [
  ...['localhost', 'local', 'internal', 'intranet', 'private', 'corp', 'home', 'lan', 'localdomain', 'home.arpa'],
  ...['onion', 'test', 'invalid', 'alt', 'consul', 'svc', 'in-addr.arpa', 'ip6.arpa'],
];

/** As `notPublic`, for a host name in the form that `URL` gives it. */
export function privateName(host: string): string | null {
  const name = host.replace(/\.+$/, '').toLowerCase();
  if (name === '' || name.length > 253) return 'not a name';
  if (!name.includes('.')) return 'a name of the local network';
  // A last part of digits is an address that some resolver may read its own way.
  if (/(^|\.)(\d+|0x[0-9a-f]*)$/.test(name)) return 'not a name';
  if (!/^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(name)) return 'not a name';
  return privateEndings.some((ending) => name === ending || name.endsWith(`.${ending}`))
    ? 'a name of the local network'
    : null;
}

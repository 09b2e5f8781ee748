import dns from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

/*
 * Loaded before a server of a test (`node --import`): the internet is one web server on loopback. Names
 * resolve to a public address, and connections to that address end at that server. The code under test
 * is the real one: it resolves, checks and connects as ever.
 */

/** The address of every public name, and of none in truth that a test should reach. */
const publicAddress = '93.184.215.14';
const port = Number(process.env['DEVLM_TEST_INTERNET']);

const addressOf = (host: string) => (host.startsWith('private.') ? '127.0.0.1' : publicAddress);
Object.assign(dns, { lookup: async (host: string) => [{ address: addressOf(host), family: 4 }] });
syncBuiltinESMExports();

const { connect } = net.Socket.prototype;
function connectHere(this: net.Socket, ...args: unknown[]) {
  const [first] = args;
  const options: unknown = Array.isArray(first) ? first[0] : first;
  if (typeof options === 'object' && options !== null && 'host' in options && options.host === publicAddress) {
    Object.assign(options, { host: '127.0.0.1', port });
  }
  return Reflect.apply(connect, this, args);
}
Object.assign(net.Socket.prototype, { connect: connectHere });

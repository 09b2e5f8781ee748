import dns from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

/*
 * Module that is loaded before a test server (`node --import`) and replaces the internet by one web server on loopback.
 * Names resolve to a public address, and connections to that address go to that server. The code under test resolves,
 * checks and connects as usual.
 */

/** Address to which every public name resolves. No test connects to the real host at this address. */
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

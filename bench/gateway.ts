import { TestServer } from '../test/support/server.ts';
import { type Figures, load, sideBySide } from './gateway/load.ts';
import { startPortkey, type Target } from './gateway/targets.ts';
import { printer } from './support/figures.ts';
import { startScript } from './support/script.ts';

/*
 * Measures the cost of the Messages endpoint: requests per second and added milliseconds over a direct call, compared with
 * a minimal gateway (`bare`) and Portkey's gateway. Client, gateway and upstream share the machine. DevLM runs with a
 * token, limits and the ledger. Usage: node bench/gateway.ts [SECONDS] [ROUNDS] [CONNECTIONS ...]
 */

const milliseconds = Number(process.argv[2] ?? 2) * 1000;
const rounds = Number(process.argv[3] ?? 5);
const levels = process.argv.length > 4 ? process.argv.slice(4).map(Number) : [1, 16, 64, 256];

await using upstream = await startScript(new URL('gateway/upstream.ts', import.meta.url));
await using bare = await startScript(new URL('gateway/bare.ts', import.meta.url), upstream.url);
await using portkey = await startPortkey();
await using server = await TestServer.start({
  claudeUrl: upstream.url,
  bundle: new URL('../dist/server.mjs', import.meta.url).pathname,
  // The limits are counted as usual, but never reached.
  env: { DEVLM_LIMIT_USER: '1000000,1000000', DEVLM_LIMIT_GLOBAL: '1000000,1000000' },
});
const { token } = await server.client.call('tokens.create', { body: { name: 'bench', scopes: ['llm'], days: 1 } });
const path = '/v1/messages';
const targets: Target[] = [
  { name: 'direct', url: new URL(path, upstream.url), headers: { 'x-api-key': 'sk-test' } },
  { name: 'bare', url: new URL(path, bare.url), headers: { 'x-api-key': 'sk-test' } },
  { name: 'devlm', url: new URL(`/llm${path}`, server.origin), headers: { authorization: `Bearer ${token}` } },
  {
    name: 'portkey',
    url: new URL(path, portkey.url),
    headers: {
      'x-portkey-provider': 'anthropic',
      'x-portkey-custom-host': `${upstream.url}/v1`,
      'x-api-key': 'sk-test',
    },
  },
];

const print = printer('gateway');
// Warms up all targets, so that they are measured with compiled code.
for (const target of targets) for (const stream of [false, true]) await load(target, 16, 2 * milliseconds, stream);
for (const connections of levels) {
  const whole = await sideBySide(targets, connections, { rounds, milliseconds, stream: false });
  const streams = await sideBySide(targets, connections, { rounds, milliseconds, stream: true });
  const of = (figures: ReadonlyMap<string, Figures>, name: Target['name']): Figures => {
    const found = figures.get(name);
    if (!found) throw new Error(`nothing was measured of ${name}`);
    return found;
  };
  const direct = { whole: of(whole, 'direct'), streams: of(streams, 'direct') };
  for (const { name: target } of targets) {
    const about = { target, connections };
    const { rps, p50, p99 } = of(whole, target);
    print('rps', rps, '1/s', about);
    if (target === 'direct') continue;
    print('added_p50_ms', p50 - direct.whole.p50, 'ms', about);
    print('added_p99_ms', p99 - direct.whole.p99, 'ms', about);
    const { firstP50, p50: totalP50 } = of(streams, target);
    print('first_token_added_p50_ms', firstP50 - direct.streams.firstP50, 'ms', about);
    print('total_added_p50_ms', totalP50 - direct.streams.p50, 'ms', about);
  }
  print('rps_to_portkey', of(whole, 'devlm').rps / of(whole, 'portkey').rps, 'ratio', { connections });
  print('rps_to_bare', of(whole, 'devlm').rps / of(whole, 'bare').rps, 'ratio', { connections });
}

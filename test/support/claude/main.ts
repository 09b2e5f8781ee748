import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { startDemo } from '../../../scripts/demo/scenarios.ts';
import { replayOf } from './replay.ts';
import { startClaude } from './server.ts';

/*
 * Starts the stand-in by hand: `node test/support/claude/main.ts [--port N] [--demo | --replay FILE]` prints its address and
 * runs until it is interrupted. With --replay it gives the answers of a recorded conversation again, see
 * docs/debugging.md. Otherwise it echoes requests.
 */

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    demo: { type: 'boolean', default: false },
    replay: { type: 'string' },
  },
});
const port = Number(values.port);
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error('--port must be a whole number from 0 to 65535');
  process.exit(2);
}
const scenarios = values.replay === undefined ? [] : replayOf(await readFile(values.replay, 'utf8'));
const standIn = await (values.demo ? startDemo({ port }) : startClaude({ port, scenarios }));
console.log(standIn.url);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void standIn[Symbol.asyncDispose]());
}

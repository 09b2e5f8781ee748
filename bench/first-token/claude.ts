import { any } from '../../test/support/claude/scenario.ts';
import { startClaude } from '../../test/support/claude/server.ts';

/* Starts the stand-in for Claude. Prints its address and then the first request for a message that it receives. */

await using claude = await startClaude();
// The answer is paced, so that its end does not flush its beginning.
claude.on(any, { blocks: 'word '.repeat(80), pace: { chunkChars: 10, chunksPerSecond: 500 } });
console.log(claude.url);
console.log(JSON.stringify((await claude.received(1, 60_000)).body));
// Keeps the process alive until it is killed.
await new Promise(() => setInterval(() => undefined, 60_000));

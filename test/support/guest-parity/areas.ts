import { assertArea } from './areas/assert.ts';
import { bufferArea } from './areas/buffer.ts';
import { eventsArea } from './areas/events.ts';
import { filesArea } from './areas/files.ts';
import { consoleArea, inputArea, moduleArea } from './areas/input.ts';
import { pathArea } from './areas/path.ts';
import { processArea, timersArea } from './areas/process.ts';
import { streamArea, urlArea } from './areas/urls.ts';
import { inspectArea, utilArea } from './areas/util.ts';
import type { ParityArea } from './parity.ts';

/** All programs that run on the guest and on Node. */
export const parityAreas: readonly ParityArea[] = [
  ...[bufferArea, eventsArea, inspectArea, utilArea, pathArea, assertArea, filesArea, urlArea, streamArea],
  ...[processArea, timersArea, inputArea, consoleArea, moduleArea],
];

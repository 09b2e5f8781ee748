import type { Instances } from '../../llm/pool/instances.ts';
import type { HandlersOf } from './handler.ts';

/** Returns the handlers of the routes about Claude instances. */
export function instanceHandlers(instances: Instances): HandlersOf<'instances'> {
  return {
    'instances.list': async () => ({ items: instances.list() }),
    'instances.add': ({ body }) => instances.add(body),
    'instances.test': ({ params, body }, { signal }) => instances.test(params.instanceId, body, signal),
    'instances.rotate': ({ params, body }) => instances.rotate(params.instanceId, body.apiKey),
    'instances.drain': ({ params, body }) => instances.drain(params.instanceId, body.draining),
    'instances.remove': ({ params }) => instances.remove(params.instanceId),
  };
}

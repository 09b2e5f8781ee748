import type { Instances } from '../llm/pool/instances.ts';
import type { Handlers } from './app.ts';

/** What the routes of instances do. */
export function instanceHandlers(instances: Instances): Pick<Handlers, Extract<keyof Handlers, `instances.${string}`>> {
  return {
    'instances.list': async () => ({ items: instances.list() }),
    'instances.add': ({ body }) => instances.add(body),
    'instances.test': ({ params, body }, { signal }) => instances.test(params.instanceId, body, signal),
    'instances.rotate': ({ params, body }) => instances.rotate(params.instanceId, body.apiKey),
    'instances.drain': ({ params, body }) => instances.drain(params.instanceId, body.draining),
    'instances.remove': ({ params }) => instances.remove(params.instanceId),
  };
}

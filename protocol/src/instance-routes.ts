import * as z from 'zod';
import { Id } from './ids.ts';
import { InstanceInfo, InstanceKey, InstanceTest, InstanceTested, NewInstance } from './instances.ts';

const instance = z.object({ instanceId: Id });

/** Routes for the Claude credentials and endpoints that a server calls. */
export const instanceRoutes = {
  'instances.list': { method: 'GET', path: '/admin/instances', response: z.object({ items: z.array(InstanceInfo) }) },
  /** Adds an instance. 409 `conflict` if the id is taken, or if the server lacks what the provider needs. */
  'instances.add': { method: 'POST', path: '/admin/instances', body: NewInstance, response: InstanceInfo },
  /** Tests an instance by a call of one token. */
  'instances.test': {
    method: 'POST',
    path: '/admin/instances/:instanceId/test',
    params: instance,
    body: InstanceTest,
    response: InstanceTested,
  },
  /** Replaces the key of an instance. Calls under way continue with the old key. */
  'instances.rotate': {
    method: 'PUT',
    path: '/admin/instances/:instanceId/key',
    params: instance,
    body: z.object({ apiKey: InstanceKey }),
    response: InstanceInfo,
  },
  /** Starts or ends draining: calls under way continue, new ones go to other instances. */
  'instances.drain': {
    method: 'PUT',
    path: '/admin/instances/:instanceId/draining',
    params: instance,
    body: z.object({ draining: z.boolean() }),
    response: InstanceInfo,
  },
  'instances.remove': {
    method: 'DELETE',
    path: '/admin/instances/:instanceId',
    params: instance,
    response: InstanceInfo,
  },
} as const;

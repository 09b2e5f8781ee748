import * as z from 'zod';
import { Id } from './ids.ts';
import { InstanceInfo, InstanceKey, InstanceTest, InstanceTested, NewInstance } from './instances.ts';

const instance = z.object({ instanceId: Id });

/** A part of the table of routes: the Claude credentials and endpoints that a server calls. */
export const instanceRoutes = {
  'instances.list': { method: 'GET', path: '/admin/instances', response: z.object({ items: z.array(InstanceInfo) }) },
  /** 409 `conflict` where there is one of this id, or where the server lacks what the provider needs. */
  'instances.add': { method: 'POST', path: '/admin/instances', body: NewInstance, response: InstanceInfo },
  /** Makes a call of one token. */
  'instances.test': {
    method: 'POST',
    path: '/admin/instances/:instanceId/test',
    params: instance,
    body: InstanceTest,
    response: InstanceTested,
  },
  /** Calls under way end with the key that they began with. */
  'instances.rotate': {
    method: 'PUT',
    path: '/admin/instances/:instanceId/key',
    params: instance,
    body: z.object({ apiKey: InstanceKey }),
    response: InstanceInfo,
  },
  /** Calls under way go on; new ones go elsewhere. */
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

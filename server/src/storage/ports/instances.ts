import { NewInstance } from '@devlm/protocol/instances.ts';
import * as z from 'zod';

/** A Claude instance that was added at run time, with its key. */
export const StoredInstance = NewInstance.safeExtend({
  /** Whether the instance takes no new calls. */
  draining: z.boolean(),
});
export type StoredInstance = z.infer<typeof StoredInstance>;

/** The Claude instances that were added at run time. Every method is atomic. */
export interface InstanceStore {
  /** Adds an instance, or replaces the one with the same id. */
  save(instance: StoredInstance): Promise<void>;
  /** Returns all instances, ordered by id. */
  list(): Promise<StoredInstance[]>;
  /** Removes an instance. Returns whether it existed. */
  remove(id: string): Promise<boolean>;
}

import { EngineError } from './client.ts';
import type { ContainerOwner } from './container.ts';
import { label } from './container-options.ts';

/** Time added to a container's expiry for clocks that differ, in seconds. */
const marginS = 5 * 60;
/** Timeout of each call to the engine, in milliseconds. */
const timeoutMs = 30_000;
/** Maximum number of concurrent removals. */
const concurrency = 4;

/**
 * Removes abandoned containers: those of earlier launches of this server, those that this launch has lost track of, and
 * expired ones of any server. It never removes unexpired containers of another server.
 * @returns the number of containers that were to be removed
 * @throws EngineError if the engine does not respond or a container could not be removed
 */
export async function sweep(owner: ContainerOwner): Promise<number> {
  const { client, serverId, launchId, alive } = owner;
  // Copied before the listing, because containers created later are not in the listing.
  const known = new Set(alive);
  const found = await client.call('listing containers', timeoutMs, (docker, abortSignal) =>
    docker.listContainers({ all: true, filters: { label: [label.server] }, abortSignal }),
  );
  const now = Date.now() / 1000;
  const abandoned = found.filter(({ Labels: labels }) => {
    const expires = Number(labels[label.expires]);
    if (Number.isFinite(expires) && now > expires + marginS) return true;
    if (labels[label.server] !== serverId) return false;
    const name = labels[label.name] ?? '';
    return labels[label.launch] !== launchId || !(known.has(name) || alive.has(name));
  });
  let failed: unknown = null;
  const removeNext = async (): Promise<void> => {
    for (let next = abandoned.pop(); next; next = abandoned.pop()) {
      const { Id: id } = next;
      try {
        await client.call('removing a container', timeoutMs, (docker, abortSignal) =>
          docker.getContainer(id).remove({ force: true, v: true, abortSignal }),
        );
      } catch (error) {
        const isGone = error instanceof EngineError && (error.statusCode === 404 || error.statusCode === 409);
        if (!isGone) failed = error;
      }
    }
  };
  const count = abandoned.length;
  await Promise.all(Array.from({ length: concurrency }, removeNext));
  if (failed !== null) throw failed;
  return count;
}

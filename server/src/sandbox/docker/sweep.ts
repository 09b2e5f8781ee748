import { EngineError } from './client.ts';
import type { ContainerOwner } from './container.ts';
import { label } from './container-options.ts';

/** After what a container's label says, for clocks that differ. */
const marginS = 5 * 60;
const timeoutMs = 30_000;
const atOnce = 4;

/**
 * Removes the containers that nobody will: of earlier launches of this server, of this one where it
 * lost sight of them, and anyone's that are past their time. Never those of another live server.
 * @returns how many were removed
 * @throws EngineError when the engine does not answer, or one could not be removed
 */
export async function sweep(owner: ContainerOwner): Promise<number> {
  const { client, serverId, launchId, alive } = owner;
  // Before the question: what is made after it is not in the answer.
  const known = new Set(alive);
  const found = await client.call('listing containers', timeoutMs, (docker, abortSignal) =>
    docker.listContainers({ all: true, filters: { label: [label.server] }, abortSignal }),
  );
  const now = Date.now() / 1000;
  const left = found.filter(({ Labels: labels }) => {
    const expires = Number(labels[label.expires]);
    if (Number.isFinite(expires) && now > expires + marginS) return true;
    if (labels[label.server] !== serverId) return false;
    const name = labels[label.name] ?? '';
    return labels[label.launch] !== launchId || !(known.has(name) || alive.has(name));
  });
  let failed: unknown = null;
  const removeNext = async (): Promise<void> => {
    for (let next = left.pop(); next; next = left.pop()) {
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
  const count = left.length;
  await Promise.all(Array.from({ length: atOnce }, removeNext));
  if (failed !== null) throw failed;
  return count;
}

import type { Language } from '@devlm/protocol/execution.ts';
import { dockerClient } from './docker-engine.ts';
import { importSandboxImage } from './sandbox-images.ts';

/** Returns the names of an engine's containers, volumes and non-default networks. */
export async function leftoversOf(host: string): Promise<string[]> {
  const docker = dockerClient(host);
  const containers = await docker.listContainers({ all: true });
  const { Volumes: volumes } = await docker.listVolumes();
  const networks = await docker.listNetworks();
  const defaultNetworks = ['none', 'host', 'bridge'];
  return [
    ...containers.map(({ Names, Status, Labels }) => `container ${Names.join()} ${Status} ${JSON.stringify(Labels)}`),
    ...(volumes ?? []).map(({ Name }) => `volume ${Name}`),
    ...networks.filter(({ Name }) => !defaultNetworks.includes(Name)).map(({ Name }) => `network ${Name}`),
  ];
}

/** Imports the images of languages into an engine. Leaves out images that this machine cannot build. */
export async function importImages(
  host: string,
  languages: readonly Language[],
): Promise<Partial<Record<Language, string>>> {
  const images: Partial<Record<Language, string>> = {};
  for (const language of languages) {
    const image = await importSandboxImage(host, language);
    if (image !== null) images[language] = image;
  }
  return images;
}

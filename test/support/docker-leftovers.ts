import type { Language } from '@devlm/protocol/execution.ts';
import { dockerClient } from './docker-engine.ts';
import { importSandboxImage } from './sandbox-images.ts';

/** Containers, volumes and networks that an engine has and that no engine has by itself, each by name. */
export async function leftoversOf(host: string): Promise<string[]> {
  const docker = dockerClient(host);
  const containers = await docker.listContainers({ all: true });
  const { Volumes: volumes } = await docker.listVolumes();
  const networks = await docker.listNetworks();
  const usual = ['none', 'host', 'bridge'];
  return [
    ...containers.map(({ Names, Status, Labels }) => `container ${Names.join()} ${Status} ${JSON.stringify(Labels)}`),
    ...(volumes ?? []).map(({ Name }) => `volume ${Name}`),
    ...networks.filter(({ Name }) => !usual.includes(Name)).map(({ Name }) => `network ${Name}`),
  ];
}

/** The images of these languages, imported into an engine. Those that this machine cannot make are left out. */
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

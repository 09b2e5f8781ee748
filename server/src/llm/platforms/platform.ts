import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type NewInstance, providerNames } from '@devlm/protocol/instances.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import { errorBody } from '../error-body.ts';
import type { MessagesFetch } from '../upstream.ts';
import { watchedFetch } from '../watchdog.ts';
import { remembered } from './remembered.ts';

/*
 * Platforms: who else than Anthropic runs Claude, with wires and signatures of their own. Their official SDKs are large:
 * they are bundles beside the server's, are loaded with the first call, and the VSIX has no room for them.
 */

/** An instance at a platform, with where its API is. */
export interface PlatformInstance extends NewInstance {
  readonly provider: keyof typeof endpoints;
  readonly region: string;
  readonly baseUrl: string;
}

/** What each platform's module exports as `open`; `send` makes its calls. */
export type OpenPlatform = (instance: PlatformInstance, send: typeof fetch) => MessagesFetch;

/** The instance as one of a platform; undefined: it is Anthropic's, or speaks as that does. */
export function atPlatform(instance: NewInstance): PlatformInstance | undefined {
  const { provider, region = '', baseUrl } = instance;
  if (provider === 'anthropic') return undefined;
  return { ...instance, provider, region, baseUrl: baseUrl ?? endpoints[provider](region) };
}

/** As the SDKs have them; named here, so that no environment variable of theirs counts. */
const endpoints = {
  bedrock: (region: string) => `https://bedrock-runtime.${region}.amazonaws.com`,
  'bedrock-mantle': (region: string) => `https://bedrock-mantle.${region}.api.aws/anthropic`,
  vertex: (region: string) => {
    if (region === 'global') return 'https://aiplatform.googleapis.com/v1';
    if (region === 'us' || region === 'eu') return `https://aiplatform.${region}.rep.googleapis.com/v1`;
    return `https://${region}-aiplatform.googleapis.com/v1`;
  },
};

/** On an older Node a slow stream of Bedrock's stands still in its SDK. The team server's image has this one. */
const oldestNode = 24;

/** The bundle beside the bundled server, or the source; undefined where this server was installed without it. */
function moduleOf(provider: PlatformInstance['provider']): string | undefined {
  if (Number.parseInt(process.versions.node, 10) < oldestNode) return undefined;
  const name = provider === 'vertex' ? 'vertex' : 'bedrock';
  const files = [`platforms/${name}.mjs`, `${name}.ts`].map((file) => join(import.meta.dirname, file));
  return files.find((file) => existsSync(file));
}

/** @throws ProblemError `conflict` where this server was installed without what calls the platform */
export function assertInstalled({ provider }: Pick<NewInstance, 'provider'>): void {
  if (provider !== 'anthropic' && !moduleOf(provider)) throw notInstalled(provider);
}

function notInstalled(provider: PlatformInstance['provider']): ProblemError {
  return new ProblemError({
    code: 'conflict',
    status: 409,
    title: 'Not installed',
    detail:
      `The server inside the editor comes without what calls ${providerNames[provider]}. Use the team server, ` +
      `whose image has it, or one built from the source on Node ${oldestNode} or later: see docs/operations.md.`,
  });
}

/** Loads what calls the platform with the first call. */
export function platformFetch(instance: PlatformInstance): MessagesFetch {
  const opened = remembered(() => load(instance));
  return async (input, init) => (await opened())(input, init);
}

const refused = { status: 403, headers: { 'content-type': 'application/json' } };

async function load(instance: PlatformInstance): Promise<MessagesFetch> {
  const file = moduleOf(instance.provider);
  // Added by another server that has it. What is refused is an answer as well.
  if (!file) return async () => new Response(errorBody(403, notInstalled(instance.provider).message, ''), refused);
  const { open }: { open: OpenPlatform } = await import(pathToFileURL(file).href);
  return open(instance, watchedFetch);
}

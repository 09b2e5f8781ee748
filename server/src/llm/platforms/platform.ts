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
 * Platforms other than Anthropic that run Claude, with their own protocols and signatures. Their official SDKs are
 * large: they are separate bundles beside the server's, loaded with the first call and not part of the VSIX.
 */

/** An instance at a platform, with the base URL of its API. */
export interface PlatformInstance extends NewInstance {
  readonly provider: keyof typeof endpoints;
  readonly region: string;
  readonly baseUrl: string;
}

/** Type of the function `open` that each platform's module exports. `send` makes the calls of the SDK. */
export type OpenPlatform = (instance: PlatformInstance, send: typeof fetch) => MessagesFetch;

/** Returns an instance as one at a platform; undefined if it is Anthropic's or compatible with it. */
export function atPlatform(instance: NewInstance): PlatformInstance | undefined {
  const { provider, region = '', baseUrl } = instance;
  if (provider === 'anthropic') return undefined;
  return { ...instance, provider, region, baseUrl: baseUrl ?? endpoints[provider](region) };
}

/** Base URLs, the same as in the SDKs. Set here, so that the SDKs' environment variables have no effect. */
const endpoints = {
  bedrock: (region: string) => `https://bedrock-runtime.${region}.amazonaws.com`,
  'bedrock-mantle': (region: string) => `https://bedrock-mantle.${region}.api.aws/anthropic`,
  vertex: (region: string) => {
    if (region === 'global') return 'https://aiplatform.googleapis.com/v1';
    if (region === 'us' || region === 'eu') return `https://aiplatform.${region}.rep.googleapis.com/v1`;
    return `https://${region}-aiplatform.googleapis.com/v1`;
  },
};

/**
 * Minimum major version of Node. On an older version, a slow stream stalls in Bedrock's SDK. The team server's image
 * has this version.
 */
const minNodeMajor = 24;

/**
 * Returns the path of the platform's bundle beside the bundled server, or of its source; undefined if it is not
 * installed or Node is too old.
 */
function moduleOf(provider: PlatformInstance['provider']): string | undefined {
  if (Number.parseInt(process.versions.node, 10) < minNodeMajor) return undefined;
  const name = provider === 'vertex' ? 'vertex' : 'bedrock';
  const files = [`platforms/${name}.mjs`, `${name}.ts`].map((file) => join(import.meta.dirname, file));
  return files.find((file) => existsSync(file));
}

/**
 * Checks that the code that calls a platform is installed.
 *
 * @throws ProblemError `conflict` if it is not
 */
export function assertInstalled({ provider }: Pick<NewInstance, 'provider'>): void {
  if (provider !== 'anthropic' && !moduleOf(provider)) throw notInstalled(provider);
}

function notInstalled(provider: PlatformInstance['provider']): ProblemError {
  return new ProblemError({
    code: 'conflict',
    status: 409,
    title: 'Provider not installed',
    detail:
      `Support for ${providerNames[provider]} is not part of the server inside the editor. Use the image of the team server, ` +
      `or a server built from source on Node ${minNodeMajor} or later. See docs/operations.md.`,
  });
}

/** Returns a `fetch` for an instance at a platform. The platform's code is loaded with the first call. */
export function platformFetch(instance: PlatformInstance): MessagesFetch {
  const opened = remembered(() => load(instance));
  return async (input, init) => (await opened())(input, init);
}

const refused = { status: 403, headers: { 'content-type': 'application/json' } };

/** Loads the platform's code and opens the instance. */
async function load(instance: PlatformInstance): Promise<MessagesFetch> {
  const file = moduleOf(instance.provider);
  // The instance was added by another server that has the platform installed. A refusal is a response too.
  if (!file) return async () => new Response(errorBody(403, notInstalled(instance.provider).message, ''), refused);
  const { open }: { open: OpenPlatform } = await import(pathToFileURL(file).href);
  return open(instance, watchedFetch);
}

import { AnthropicVertex } from '@anthropic-ai/vertex-sdk';
import { serviceAccountKey } from '@devlm/protocol/instances.ts';
import { type AuthClient, GoogleAuth, JWT } from 'google-auth-library';
import { messagesFetch } from './messages-fetch.ts';
import type { OpenPlatform, PlatformInstance } from './platform.ts';
import { CredentialsError } from './refusals.ts';
import { remembered } from './remembered.ts';

const scopes = ['https://www.googleapis.com/auth/cloud-platform'];

/**
 * Opens Google Vertex AI through its SDK: a path with project and model, and Google's tokens. The credential is the key
 * of a service account, or else what Google's own chain finds (Application Default Credentials).
 */
export const open: OpenPlatform = (instance, send) => {
  const { region, projectId, baseUrl: baseURL } = instance;
  const connect = remembered(async () => {
    // The credentials are looked up here, because the SDK would start the lookup without awaiting its result.
    const options = { authClient: await authClient(instance), region, projectId, baseURL };
    return new AnthropicVertex({ ...options, maxRetries: 0, logLevel: 'off', fetch: send });
  });
  return messagesFetch(instance, { connect, countsTokens: true, versionOf });
};

/**
 * Returns Vertex's name for an API version. Versions before 2026-10-21 have other names there:
 * https://platform.claude.com/docs/en/api/versioning
 */
function versionOf(version: string): string {
  return version > '2023-06-01' ? version : 'vertex-2023-10-16';
}

/**
 * Returns the client that signs the calls.
 *
 * @throws CredentialsError
 */
async function authClient({ apiKey }: PlatformInstance): Promise<AuthClient> {
  const fail = (error: unknown) => {
    throw new CredentialsError('Cannot find Google Cloud credentials.', error);
  };
  const key = apiKey === undefined ? undefined : serviceAccountKey(apiKey);
  const client = key ? signer(key) : await new GoogleAuth({ scopes }).getClient().catch(fail);
  const headers = client.getRequestHeaders.bind(client);
  client.getRequestHeaders = (url) => headers(url).catch(fail);
  return client;
}

/** Returns a client that signs its own tokens, without a request to Google for each. */
function signer(key: NonNullable<ReturnType<typeof serviceAccountKey>>): JWT {
  const { client_email: email, private_key, private_key_id: keyId } = key;
  const client = new JWT({ email, key: private_key, ...(keyId === undefined ? {} : { keyId }), scopes });
  client.useJWTAccessWithScope = true;
  return client;
}

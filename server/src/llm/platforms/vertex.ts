import { AnthropicVertex } from '@anthropic-ai/vertex-sdk';
import { serviceAccountKey } from '@devlm/protocol/instances.ts';
import { type AuthClient, GoogleAuth, JWT } from 'google-auth-library';
import { messagesFetch } from './messages-fetch.ts';
import type { OpenPlatform, PlatformInstance } from './platform.ts';
import { CredentialsError } from './refusals.ts';
import { remembered } from './remembered.ts';

const scopes = ['https://www.googleapis.com/auth/cloud-platform'];

/**
 * Google Vertex AI by its SDK: a path with project and model, and tokens of Google. Its credential is the key of a
 * service account; else what Google's own chain finds (Application Default Credentials).
 */
export const open: OpenPlatform = (instance, send) => {
  const { region, projectId, baseUrl: baseURL } = instance;
  const connect = remembered(async () => {
    // Looked for here: the SDK would begin with it without waiting for what comes of it.
    const options = { authClient: await authClient(instance), region, projectId, baseURL };
    return new AnthropicVertex({ ...options, maxRetries: 0, logLevel: 'off', fetch: send });
  });
  return messagesFetch(instance, { connect, countsTokens: true, versionOf });
};

/** Vertex has a name of its own for the version before 2026-10-21: https://platform.claude.com/docs/en/api/versioning */
function versionOf(asked: string): string {
  return asked > '2023-06-01' ? asked : 'vertex-2023-10-16';
}

/** @throws CredentialsError */
async function authClient({ apiKey }: PlatformInstance): Promise<AuthClient> {
  const none = (error: unknown) => {
    throw new CredentialsError('There are no credentials of Google.', error);
  };
  const key = apiKey === undefined ? undefined : serviceAccountKey(apiKey);
  const client = key ? signer(key) : await new GoogleAuth({ scopes }).getClient().catch(none);
  const headers = client.getRequestHeaders.bind(client);
  client.getRequestHeaders = (url) => headers(url).catch(none);
  return client;
}

/** Signs its tokens itself: there is nobody else to ask first. */
function signer(key: NonNullable<ReturnType<typeof serviceAccountKey>>): JWT {
  const { client_email: email, private_key, private_key_id: keyId } = key;
  const client = new JWT({ email, key: private_key, ...(keyId === undefined ? {} : { keyId }), scopes });
  client.useJWTAccessWithScope = true;
  return client;
}

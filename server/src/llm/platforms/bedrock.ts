import { AnthropicBedrock, AnthropicBedrockMantle } from '@anthropic-ai/bedrock-sdk';
import { createCredentialChain, fromEnv, fromNodeProviderChain } from '@aws-sdk/credential-providers';
import { messagesFetch } from './messages-fetch.ts';
import type { OpenPlatform } from './platform.ts';
import { bedrockEvent, CredentialsError } from './refusals.ts';

/**
 * Version that the models behind `/model/ID/invoke` know. They reject the `2026-10-21` that the SDK would send, see
 * https://platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock
 */
const apiVersion = 'bedrock-2023-05-31';

/**
 * Opens Amazon Bedrock through its SDK, with AWS signatures or an API key. The older endpoint has the model in its path
 * and uses AWS's binary event streams; the newer one, Mantle, is the unchanged Messages API. The credential is the API
 * key or the access key, or else what AWS's own chain finds: environment, profile, role.
 */
export const open: OpenPlatform = (instance, send) => {
  const { provider, apiKey, accessKeyId, region, baseUrl } = instance;
  const credentials = accessKeyId === undefined ? credentialChain(region) : accessKey(accessKeyId, apiKey ?? '');
  const options = {
    // If it is undefined, the SDK reads AWS_BEARER_TOKEN_BEDROCK, as AWS's tools do.
    apiKey: accessKeyId === undefined ? apiKey : null,
    providerChainResolver: async () => credentials,
    awsRegion: region,
    baseURL: baseUrl,
    maxRetries: 0,
    logLevel: 'off' as const,
    fetch: send,
  };
  if (provider === 'bedrock-mantle') {
    const client = new AnthropicBedrockMantle(options);
    return messagesFetch(instance, {
      connect: async () => client,
      countsTokens: true,
      versionOf: (version) => version,
    });
  }
  const client = new AnthropicBedrock(options);
  return messagesFetch(instance, {
    connect: async () => client,
    countsTokens: false,
    versionOf: () => apiVersion,
    requestId: 'x-amzn-requestid',
    eventOf: bedrockEvent,
  });
};

type Credentials = ReturnType<typeof fromEnv>;

/** Returns a credential provider for a fixed access key. */
function accessKey(accessKeyId: string, secretAccessKey: string): Credentials {
  return async () => ({ accessKeyId, secretAccessKey });
}

/**
 * Returns the SDK's credential chain, shared by all calls: it caches what it has found until that expires. The SDK
 * would create one for each call.
 */
function credentialChain(region: string): Credentials {
  const found = createCredentialChain(fromEnv(), fromNodeProviderChain({ clientConfig: { region } }));
  return () =>
    found().catch((error: unknown) => {
      throw new CredentialsError('Cannot find AWS credentials.', error);
    });
}

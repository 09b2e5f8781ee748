import { AnthropicBedrock, AnthropicBedrockMantle } from '@anthropic-ai/bedrock-sdk';
import { createCredentialChain, fromEnv, fromNodeProviderChain } from '@aws-sdk/credential-providers';
import { messagesFetch } from './messages-fetch.ts';
import type { OpenPlatform } from './platform.ts';
import { bedrockEvent, CredentialsError } from './refusals.ts';

/**
 * The one that the models behind `/model/ID/invoke` know: they refuse the `2026-10-21` that the SDK would send, see
 * https://platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock
 */
const version = 'bedrock-2023-05-31';

/**
 * Amazon Bedrock by its SDK, with signatures of AWS or an API key. The older endpoint has the model in its path and
 * AWS's binary event streams; the newer one, Mantle, is the Messages API as it is. The credential is the API key, or the
 * access key; else what AWS's own chain finds: environment, profile, role.
 */
export const open: OpenPlatform = (instance, send) => {
  const { provider, apiKey, accessKeyId, region, baseUrl } = instance;
  const credentials = accessKeyId === undefined ? chain(region) : accessKey(accessKeyId, apiKey ?? '');
  const options = {
    // Where it is undefined, the SDK looks into AWS_BEARER_TOKEN_BEDROCK, as the tools of AWS do.
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
    return messagesFetch(instance, { connect: async () => client, countsTokens: true, versionOf: (asked) => asked });
  }
  const client = new AnthropicBedrock(options);
  return messagesFetch(instance, {
    connect: async () => client,
    countsTokens: false,
    versionOf: () => version,
    requestId: 'x-amzn-requestid',
    eventOf: bedrockEvent,
  });
};

type Credentials = ReturnType<typeof fromEnv>;

function accessKey(accessKeyId: string, secretAccessKey: string): Credentials {
  return async () => ({ accessKeyId, secretAccessKey });
}

/** The SDK's chain, once for all calls: it remembers what it has found until that expires. The SDK would make one for each call. */
function chain(region: string): Credentials {
  const found = createCredentialChain(fromEnv(), fromNodeProviderChain({ clientConfig: { region } }));
  return () =>
    found().catch((error: unknown) => {
      throw new CredentialsError('There are no credentials of AWS.', error);
    });
}

import * as z from 'zod';

/*
 * Instances: the Claude credentials and endpoints that a server calls, in addition to the one of the editor.
 */

const keyForm = 'expected a key without spaces';
/** An API key. Limited to the characters that are allowed in a header. */
const ApiKey = z.string().regex(/^[\x21-\x7e]{1,4096}$/, keyForm);
const InstanceId = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,63}$/,
    'expected at most 64 lowercase letters, digits, dashes and underscores, with a letter or digit first',
  )
  .refine((id) => id !== 'own', '"own" is reserved for the instance with the API key of the editor or the environment');

const ModelName = z.string().min(1).max(200);
/** Maximum number of models of an instance. */
const maxModels = 100;

/**
 * The provider of an instance: `anthropic` for Anthropic or any other host of the Messages API; `bedrock` for Amazon
 * Bedrock's own endpoint, which serves models up to Claude 4.6; `bedrock-mantle` for Bedrock's endpoint of the Messages
 * API, which serves models from 4.7 on; `vertex` for Google Vertex AI.
 */
export const InstanceProvider = z.enum(['anthropic', 'bedrock', 'bedrock-mantle', 'vertex']);
export type InstanceProvider = z.infer<typeof InstanceProvider>;

/** Display names of the providers. */
export const providerNames = {
  anthropic: 'Anthropic',
  bedrock: 'Amazon Bedrock',
  'bedrock-mantle': 'Amazon Bedrock',
  vertex: 'Google Vertex AI',
} as const satisfies Record<InstanceProvider, string>;

/** The settings of an instance. */
export const InstanceSettings = z.object({
  provider: InstanceProvider.default('anthropic'),
  /** Region of Bedrock and Vertex, such as `us-east-1`, `us-east5` or Vertex's `global`. */
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, 'expected a region name')
    .optional(),
  /** Id of the Google Cloud project, for Vertex. */
  projectId: z
    .string()
    .regex(/^[a-z0-9.:-]{1,128}$/, 'expected a project id')
    .optional(),
  /** Base URL of the API. Default: the server's own base URL; for Bedrock and Vertex, that of the region. */
  baseUrl: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .optional(),
  /** Models that it serves. A name that ends in `*` stands for all names with that prefix. Empty: every model. */
  models: z.array(ModelName).max(maxModels).default([]),
  /** Models that it serves under another id, such as an inference profile of Bedrock: name -> the provider's id. */
  modelIds: z
    .record(ModelName, ModelName)
    .refine((ids) => Object.keys(ids).length <= maxModels, `expected at most ${maxModels} models`)
    .default({}),
  /** Share of the load, relative to the other instances. */
  weight: z.number().min(0.01).max(100).default(1),
  /** Maximum number of concurrent calls. */
  concurrency: z.int().min(1).max(10_000).default(256),
});

export type InstanceSettings = z.infer<typeof InstanceSettings>;

/** An API key, or for Vertex the JSON of a service account's key. */
export const InstanceKey = z.string().regex(/^[\x20-\x7e\t\r\n]{1,16384}$/, 'expected a key');

/** The members of a service account's key that are needed for signing. */
export const ServiceAccountKey = z.object({
  type: z.literal('service_account'),
  client_email: z.string().min(3).max(320),
  private_key: z.string().startsWith('-----BEGIN').max(8192),
  private_key_id: z.string().max(200).optional(),
});
export type ServiceAccountKey = z.infer<typeof ServiceAccountKey>;

/** Parses the JSON of a service account's key. Returns undefined if the text is not such a key. */
export function serviceAccountKey(text: string): ServiceAccountKey | undefined {
  try {
    return ServiceAccountKey.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

const WithCredential = InstanceSettings.extend({
  id: InstanceId,
  /**
   * For Anthropic, the API key. For Bedrock, an API key, or with `accessKeyId` the secret access key. For Vertex, the
   * JSON of a service account's key. Without it, Bedrock and Vertex use the credentials in the server's environment.
   */
  apiKey: InstanceKey.optional(),
  /** Id of the access key, for Bedrock. */
  accessKeyId: z
    .string()
    .regex(/^\w{16,128}$/, 'expected an access key id')
    .optional(),
});

/** Members of each provider: required (true), optional (false) or not allowed (absent). */
const members = {
  anthropic: { apiKey: true },
  bedrock: { apiKey: false, region: true, accessKeyId: false },
  'bedrock-mantle': { apiKey: false, region: true, accessKeyId: false },
  vertex: { apiKey: false, region: true, projectId: true },
} as const satisfies Record<InstanceProvider, Partial<Record<keyof z.infer<typeof WithCredential>, boolean>>>;

/** Returns the member that is missing or not allowed for the provider, or undefined. */
function findInvalidMember(instance: z.infer<typeof WithCredential>): { path: string; message: string } | undefined {
  const { provider, apiKey, accessKeyId } = instance;
  const allowed: Partial<Record<string, boolean>> = members[provider];
  for (const path of ['region', 'projectId', 'accessKeyId', 'apiKey'] as const) {
    if (instance[path] === undefined && allowed[path])
      return { path, message: `required for the provider ${provider}` };
    if (instance[path] !== undefined && allowed[path] === undefined)
      return { path, message: `not allowed for the provider ${provider}` };
  }
  if (accessKeyId !== undefined && apiKey === undefined)
    return { path: 'apiKey', message: 'required with accessKeyId' };
  if (apiKey === undefined) return undefined;
  if (provider !== 'vertex') return ApiKey.safeParse(apiKey).success ? undefined : { path: 'apiKey', message: keyForm };
  return serviceAccountKey(apiKey)
    ? undefined
    : { path: 'apiKey', message: 'expected the JSON key of a service account' };
}

/** An instance to add. */
export const NewInstance = WithCredential.superRefine((instance, context) => {
  const invalid = findInvalidMember(instance);
  if (invalid) context.addIssue({ code: 'custom', path: [invalid.path], message: invalid.message });
});
export type NewInstance = z.infer<typeof NewInstance>;

/** An instance as it is listed, without its key. */
export const InstanceInfo = InstanceSettings.omit({ baseUrl: true }).extend({
  id: z.string(),
  /** Scheme and host of the API. */
  host: z.string(),
  /** Models that it serves, including those of `modelIds`. */
  models: z.array(ModelName),
  /** `own`: the key of the editor or the environment. `file`: config.json. `store`: added at run time. */
  source: z.enum(['own', 'file', 'store']),
  state: z.enum(['ready', 'draining', 'not-used']),
  /** Number of calls under way. */
  calls: z.int(),
  /** Health by model, for the models that were called. */
  health: z.array(
    z.object({
      model: z.string().nullable(),
      breaker: z.enum(['closed', 'open', 'half-open']),
      /** Milliseconds until it accepts calls again; 0 if it does now. */
      restMs: z.int(),
      /** Moving average of the time to the first token, in milliseconds; null if not measured yet. */
      firstTokenMs: z.int().nullable(),
      /** The newest failure since the last success, or null. */
      failure: z.string().nullable(),
    }),
  ),
});
export type InstanceInfo = z.infer<typeof InstanceInfo>;

/** A request to test an instance. */
export const InstanceTest = z.object({
  /** Model to call. Default: the first that the instance lists. */
  model: z.string().min(1).max(200).optional(),
});

export type InstanceTest = z.infer<typeof InstanceTest>;

/** The result of a test call of one token. */
export const InstanceTested = z.object({
  ok: z.boolean(),
  model: z.string(),
  latencyMs: z.int(),
  /** A sentence about the failure, or an empty string. */
  detail: z.string(),
});
export type InstanceTested = z.infer<typeof InstanceTested>;

/** An instance in config.json, with its key by value or by the name of an environment variable. */
const ConfiguredInstance = WithCredential.extend({
  apiKeyEnv: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'expected the name of an environment variable')
    .optional(),
}).refine(
  ({ provider, apiKey, apiKeyEnv }) =>
    (apiKey === undefined) !== (apiKeyEnv === undefined) || (provider !== 'anthropic' && apiKey === undefined),
  { message: 'expected either apiKey or apiKeyEnv' },
);
/** All instances of config.json. */
export const ConfiguredInstances = z
  .array(ConfiguredInstance)
  .max(256)
  .refine((all) => new Set(all.map(({ id }) => id)).size === all.length, { message: 'expected unique ids' });

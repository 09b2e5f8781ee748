import * as z from 'zod';

/*
 * Instances: the Claude credentials and endpoints that a server calls, beside the one that the editor names.
 */

const keyForm = 'expected a key without spaces';
/** What a key may be made of: it stands in a header. */
const ApiKey = z.string().regex(/^[\x21-\x7e]{1,4096}$/, keyForm);
const InstanceId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'expected small letters, digits and dashes, at most 64')
  .refine((id) => id !== 'own', 'own is the instance of the key of the editor or the environment');

const ModelName = z.string().min(1).max(200);
const maxModels = 100;

/**
 * Who runs the models: Anthropic, or whoever else speaks the Messages API; Amazon Bedrock, whose models up to Claude 4.6
 * have an endpoint of its own making (`bedrock`), and those from 4.7 on one for the Messages API (`bedrock-mantle`);
 * Google Vertex AI.
 */
export const InstanceProvider = z.enum(['anthropic', 'bedrock', 'bedrock-mantle', 'vertex']);
export type InstanceProvider = z.infer<typeof InstanceProvider>;

export const providerNames = {
  anthropic: 'Anthropic',
  bedrock: 'Amazon Bedrock',
  'bedrock-mantle': 'Amazon Bedrock',
  vertex: 'Google Vertex AI',
} as const satisfies Record<InstanceProvider, string>;

export const InstanceSettings = z.object({
  provider: InstanceProvider.default('anthropic'),
  /** Of Bedrock and Vertex, such as `us-east-1`, `us-east5` or Vertex's `global`. */
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, 'expected the name of a region')
    .optional(),
  /** Of Vertex: the project at Google Cloud. */
  projectId: z
    .string()
    .regex(/^[a-z0-9.:-]{1,128}$/, 'expected the id of a project')
    .optional(),
  /** Where the API is. Default: the server's own base URL; of Bedrock and Vertex that of the region. */
  baseUrl: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .optional(),
  /** Models that it serves; a name that ends in `*` stands for all that begin so. Empty: every model. */
  models: z.array(ModelName).max(maxModels).default([]),
  /** Models that it serves under another id: name -> the provider's own id, as Bedrock's inference profiles. */
  modelIds: z
    .record(ModelName, ModelName)
    .refine((ids) => Object.keys(ids).length <= maxModels, `expected at most ${maxModels} models`)
    .default({}),
  /** How much of the load it takes beside the others. */
  weight: z.number().min(0.01).max(100).default(1),
  /** Calls at one time. */
  concurrency: z.int().min(1).max(10_000).default(256),
});

export type InstanceSettings = z.infer<typeof InstanceSettings>;

/** A key that stands in a header, or of Vertex the JSON of a service account's key. */
export const InstanceKey = z.string().regex(/^[\x20-\x7e\t\r\n]{1,16384}$/, 'expected a key');

/** The members of a service account's key that are needed to sign with it. */
export const ServiceAccountKey = z.object({
  type: z.literal('service_account'),
  client_email: z.string().min(3).max(320),
  private_key: z.string().startsWith('-----BEGIN').max(8192),
  private_key_id: z.string().max(200).optional(),
});
export type ServiceAccountKey = z.infer<typeof ServiceAccountKey>;

/** The service account's key in a text; undefined where it is none. */
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
   * Of Anthropic the API key. Of Bedrock an API key, or with `accessKeyId` the secret access key; of Vertex the JSON of
   * a service account's key. Without one those two take what their platform finds in the server's surroundings.
   */
  apiKey: InstanceKey.optional(),
  /** Of Bedrock. */
  accessKeyId: z
    .string()
    .regex(/^\w{16,128}$/, 'expected the id of an access key')
    .optional(),
});

/** What each provider needs (true), may have (false), and cannot have (absent). */
const members = {
  anthropic: { apiKey: true },
  bedrock: { apiKey: false, region: true, accessKeyId: false },
  'bedrock-mantle': { apiKey: false, region: true, accessKeyId: false },
  vertex: { apiKey: false, region: true, projectId: true },
} as const satisfies Record<InstanceProvider, Partial<Record<keyof z.infer<typeof WithCredential>, boolean>>>;

/** Which member is missing, or does not belong to the provider; undefined: none. */
function misfit(instance: z.infer<typeof WithCredential>): { path: string; message: string } | undefined {
  const { provider, apiKey, accessKeyId } = instance;
  const allowed: Partial<Record<string, boolean>> = members[provider];
  for (const path of ['region', 'projectId', 'accessKeyId', 'apiKey'] as const) {
    if (instance[path] === undefined && allowed[path]) return { path, message: `an instance of ${provider} needs it` };
    if (instance[path] !== undefined && allowed[path] === undefined)
      return { path, message: `an instance of ${provider} has none` };
  }
  if (accessKeyId !== undefined && apiKey === undefined)
    return { path: 'apiKey', message: 'an access key needs its secret' };
  if (apiKey === undefined) return undefined;
  if (provider !== 'vertex') return ApiKey.safeParse(apiKey).success ? undefined : { path: 'apiKey', message: keyForm };
  return serviceAccountKey(apiKey)
    ? undefined
    : { path: 'apiKey', message: "expected the JSON of a service account's key" };
}

export const NewInstance = WithCredential.superRefine((instance, context) => {
  const wrong = misfit(instance);
  if (wrong) context.addIssue({ code: 'custom', path: [wrong.path], message: wrong.message });
});
export type NewInstance = z.infer<typeof NewInstance>;

/** An instance as it is listed; never its key. */
export const InstanceInfo = InstanceSettings.omit({ baseUrl: true }).extend({
  id: z.string(),
  /** Scheme and host. */
  host: z.string(),
  /** With those of `modelIds`. */
  models: z.array(ModelName),
  /** `own`: the key of the editor or the environment. `file`: config.json. `store`: added at run time. */
  source: z.enum(['own', 'file', 'store']),
  state: z.enum(['ready', 'draining', 'not-used']),
  /** Calls under way. */
  calls: z.int(),
  /** How it is doing, model by model, for those that were called. */
  health: z.array(
    z.object({
      model: z.string().nullable(),
      breaker: z.enum(['closed', 'open', 'half-open']),
      /** Milliseconds until it takes calls again; 0 now. */
      restMs: z.int(),
      /** Milliseconds until the first token, a moving average; null where nobody has measured. */
      firstTokenMs: z.int().nullable(),
      /** The newest failure since the last success. */
      failure: z.string().nullable(),
    }),
  ),
});
export type InstanceInfo = z.infer<typeof InstanceInfo>;

export const InstanceTest = z.object({
  /** A model that it serves. Default: the first that it lists. */
  model: z.string().min(1).max(200).optional(),
});

export type InstanceTest = z.infer<typeof InstanceTest>;

/** What became of a call of one token. */
export const InstanceTested = z.object({
  ok: z.boolean(),
  model: z.string(),
  latencyMs: z.int(),
  /** What went wrong, in a sentence; else empty. */
  detail: z.string(),
});
export type InstanceTested = z.infer<typeof InstanceTested>;

/** In config.json: the key by value, or by the name of an environment variable. */
const ConfiguredInstance = WithCredential.extend({
  apiKeyEnv: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'expected the name of an environment variable')
    .optional(),
}).refine(
  ({ provider, apiKey, apiKeyEnv }) =>
    (apiKey === undefined) !== (apiKeyEnv === undefined) || (provider !== 'anthropic' && apiKey === undefined),
  { message: 'expected one of apiKey and apiKeyEnv' },
);
/** All instances of config.json. */
export const ConfiguredInstances = z
  .array(ConfiguredInstance)
  .max(256)
  .refine((all) => new Set(all.map(({ id }) => id)).size === all.length, { message: 'an id is there twice' });

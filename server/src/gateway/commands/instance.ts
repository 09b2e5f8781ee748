import { text } from 'node:stream/consumers';
import { type InstanceInfo, type InstanceSettings, NewInstance } from '@devlm/protocol/instances.ts';
import { Instances } from '../../llm/pool/instances.ts';
import { Provider } from '../../llm/provider.ts';
import { type Command, type Invocation, readCommandLine, type Terminal, word, yes } from './command-line.ts';
import { callServer, discoveryOf } from './local-server.ts';

const help = `usage: devlm instance add ID [--base-url URL] [--models a,b*,c=ID] [--weight 1] [--concurrency 256]
       devlm instance add ID --provider bedrock|bedrock-mantle --region REGION [--key | --access-key-id ID] …
       devlm instance add ID --provider vertex --region REGION --project-id PROJECT [--key] …
       devlm instance test ID [--model MODEL]
       devlm instance list
       devlm instance rotate ID
       devlm instance drain ID
       devlm instance resume ID
       devlm instance remove ID

All commands accept --json and --data-dir. add and rotate read the API key from standard input, because other users of
the machine can read the command line. A drained instance finishes its calls and accepts no new ones.

On Amazon Bedrock, use bedrock for models up to Claude 4.6 and bedrock-mantle for later models. By default, Amazon
Bedrock and Google Vertex AI use the credentials that their own tools would find: environment, profile, role,
Application Default Credentials. With --key, a credential is read from standard input: a Bedrock API key, or the JSON
key of a service account. With --access-key-id, the secret access key is read. c=ID defines the model name c for the
model that the provider calls ID.
`;

/** Maximum length of a key read from standard input, in characters. */
const maxKeyChars = 16_384;
/** Timeout of the test of an instance, in milliseconds. */
const testTimeoutMs = 70_000;

type Api = Pick<Instances, 'add' | 'rotate' | 'drain' | 'remove'> & {
  list(): Promise<InstanceInfo[]>;
  test(id: string, model: string | undefined): ReturnType<Instances['test']>;
};

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { call, values, positionals } = readCommandLine('instance', args, terminal, {
    provider: word,
    region: word,
    'project-id': word,
    'access-key-id': word,
    key: yes,
    'base-url': word,
    models: word,
    model: word,
    weight: word,
    concurrency: word,
  });
  const [command, id, ...rest] = positionals;
  const showOne = (info: InstanceInfo) => call.say(info, line(info));
  if (rest.length > 0 || (command === 'list') !== (id === undefined)) throw call.wrong();
  const name = id ?? '';
  switch (command) {
    case 'add': {
      const asked = call.check(NewInstance, {
        id: name,
        provider: values.provider,
        region: values.region,
        projectId: values['project-id'],
        accessKeyId: values['access-key-id'],
        apiKey: usesCredentialChain(values) ? undefined : await readKey(call),
        baseUrl: values['base-url'],
        ...modelsOf(values.models),
        weight: values.weight === undefined ? undefined : Number(values.weight),
        concurrency: values.concurrency === undefined ? undefined : Number(values.concurrency),
      });
      return showOne(await withApi(call, (api) => api.add(asked)));
    }
    case 'test': {
      const tested = await withApi(call, (api) => api.test(name, values.model));
      const { ok, model, latencyMs, detail } = tested;
      if (!ok) process.exitCode = 1;
      return call.say(tested, ok ? `ok  ${name}  ${model}  ${latencyMs} ms\n` : `BAD ${name}  ${model}  ${detail}\n`);
    }
    case 'list': {
      const items = await withApi(call, (api) => api.list());
      return call.say(items, items.map(line).join(''));
    }
    case 'rotate': {
      const key = await readKey(call);
      return showOne(await withApi(call, (api) => api.rotate(name, key)));
    }
    case 'drain':
    case 'resume':
      return showOne(await withApi(call, (api) => api.drain(name, command === 'drain')));
    case 'remove':
      return showOne(await withApi(call, (api) => api.remove(name)));
  }
  throw call.wrong();
}

/** Returns whether an instance uses the credential chain of its platform and does not have its own credential. */
function usesCredentialChain(values: { provider?: string; key: boolean; 'access-key-id'?: string }): boolean {
  const { provider = 'anthropic', key, 'access-key-id': accessKeyId } = values;
  return provider !== 'anthropic' && !key && accessKeyId === undefined;
}

/** Parses `a,b*,c=ID`: the models that an instance serves, and the provider's ids for them. */
function modelsOf(words: string | undefined): Pick<InstanceSettings, 'models' | 'modelIds'> {
  const named = (words?.split(',') ?? []).map((item) => /^([^=]*)(?:=(.*))?$/.exec(item) ?? [item, item]);
  return {
    models: named.flatMap(([, model = '', id]) => (id === undefined ? [model] : [])),
    modelIds: Object.fromEntries(named.flatMap(([, model = '', id]) => (id === undefined ? [] : [[model, id]]))),
  };
}

function line({ id, host, source, state, calls, models, health }: InstanceInfo): string {
  const ill = health.filter(({ failure }) => failure !== null).map(({ model, failure }) => `${model}: ${failure}`);
  return `${[id, state, source, host, `${calls} calls`, models.join(',') || 'all models', ...ill].join('  ')}\n`;
}

async function readKey(call: Invocation): Promise<string> {
  const key = (await text(call.terminal.input)).trim();
  if (key === '' || key.length > maxKeyChars) throw call.wrong('expected the API key on standard input');
  return key;
}

async function withApi<T>(call: Invocation, work: (api: Api) => Promise<T>): Promise<T> {
  const server = discoveryOf(call.config.dataDir);
  if (server)
    return work({
      add: (body) => callServer(server, 'instances.add', { body }),
      list: async () => (await callServer(server, 'instances.list')).items,
      test: (id, model) => callServer(server, 'instances.test', { id, body: { model }, timeoutMs: testTimeoutMs }),
      rotate: (id, apiKey) => callServer(server, 'instances.rotate', { id, body: { apiKey } }),
      drain: (id, draining) => callServer(server, 'instances.drain', { id, body: { draining } }),
      remove: (id) => callServer(server, 'instances.remove', { id }),
    });
  return call.withStore(async (store) => {
    using instances = await Instances.open(store, new Provider(call.config));
    return await work({
      add: (instance) => instances.add(instance),
      list: async () => instances.list(),
      test: (id, model) => instances.test(id, model === undefined ? {} : { model }, AbortSignal.timeout(testTimeoutMs)),
      rotate: (id, apiKey) => instances.rotate(id, apiKey),
      drain: (id, draining) => instances.drain(id, draining),
      remove: (id) => instances.remove(id),
    });
  });
}

/** The command `devlm instance`. */
export const instanceCommand: Command = { help, run };

import type { ExecutionRecord, ExecutionRequest, Language } from '@devlm/protocol/execution.ts';
import type * as z from 'zod';
import { type DockerEngine, givenEngine, startDockerEngine } from '../../test/support/docker-engine.ts';
import { importSandboxImage } from '../../test/support/sandbox-images.ts';
import { TestServer } from '../../test/support/server.ts';

/** Server with a Docker engine and its images. */
export interface SandboxServer extends AsyncDisposable {
  readonly server: TestServer;
  readonly engine: DockerEngine;
  readonly images: Readonly<Partial<Record<Language, string>>>;
}

/** Starts the bundled server on a Docker engine: the given one, the one that the environment names, or a private one. */
export async function startSandboxServer(
  languages: readonly Language[],
  options: { engine?: DockerEngine; args?: readonly string[] } = {},
): Promise<SandboxServer> {
  await using stack = new AsyncDisposableStack();
  let engine = options.engine ?? (await givenEngine());
  engine ??= stack.use(await startDockerEngine());
  const images: Partial<Record<Language, string>> = {};
  for (const language of languages) images[language] = (await importSandboxImage(engine.host, language)) ?? undefined;
  const named = Object.entries(images).map(([language, image]) => `${language}=${image}`);
  const server = stack.use(
    await TestServer.start({
      bundle: new URL('../../dist/server.mjs', import.meta.url).pathname,
      args: ['--sandbox', 'docker', '--sandbox-images', named.join(), ...(options.args ?? [])],
      env: { DOCKER_HOST: engine.host },
    }),
  );
  const kept = stack.move();
  return { server, engine, images, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/**
 * Runs a program through the server and measures its duration.
 * @throws Error if its status is not `ok`
 */
export async function execute(
  server: TestServer,
  request: Omit<z.input<typeof ExecutionRequest>, 'id'>,
): Promise<{ record: ExecutionRecord; ms: number }> {
  const started = performance.now();
  const record = await server.client.call('executions.run', { body: { id: crypto.randomUUID(), ...request } });
  const ms = performance.now() - started;
  if (record.status !== 'ok') throw new Error(`${record.status}: ${record.message ?? record.stderr}`);
  return { record, ms };
}

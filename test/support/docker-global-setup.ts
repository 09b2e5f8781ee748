import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Language } from '@devlm/protocol/execution.ts';
import { type DockerEngine, givenEngine, type PrivateEngine, startDockerEngine } from './docker-engine.ts';
import { importSandboxImage } from './sandbox-images.ts';

/*
 * Keeps the one Docker engine of a test run. It lives in the process that runs the tests, which
 * outlives every test file, and starts when the first file asks for it (`dockerEngine()`).
 */
/** Global set-up of vitest. Returns a function that ends the engine. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  // Several parts name this set-up; one keeper serves them all.
  if (process.env['DEVLM_TEST_KEEPER']) return undefined;
  let own: Promise<PrivateEngine> | undefined;
  let given: Promise<DockerEngine | null> | undefined;
  const images = new Map<Language, Promise<string | null>>();

  const answer = async (languages: readonly Language[]) => {
    given ??= givenEngine();
    let engine = await given;
    if (!engine) {
      own ??= startDockerEngine();
      engine = await own;
    }
    const named: Partial<Record<Language, string>> = {};
    for (const language of languages) {
      const image = images.get(language) ?? importSandboxImage(engine.host, language);
      images.set(language, image);
      named[language] = (await image) ?? undefined;
    }
    return { host: engine.host, runtimes: engine.runtimes, images: named };
  };
  const server = createServer((request, response) => {
    const asked = new URL(request.url ?? '/', 'http://localhost').searchParams.get('languages') ?? '';
    const languages = asked.split(',').filter(Boolean);
    answer(languages.map((name) => Language.parse(name))).then(
      (kept) => response.end(JSON.stringify(kept)),
      (error) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    );
  });
  server.requestTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  process.env['DEVLM_TEST_KEEPER'] = `http://127.0.0.1:${port}`;
  return async () => {
    delete process.env['DEVLM_TEST_KEEPER'];
    server.close();
    server.closeAllConnections();
    await (await own)?.[Symbol.asyncDispose]();
  };
}

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BrowserServer } from 'playwright-core';
import { buildPage, chromiumOptions, type SharedPage } from './page-harness.ts';

/*
 * Keeps the one Chromium and the one build of the chat page that the test files of a run share. It lives in the process
 * that runs the tests and starts when the first file asks for it.
 */
/** Global set-up of vitest. Returns a function that closes the browser. */
export default async function setup(): Promise<() => Promise<void>> {
  let browser: Promise<BrowserServer> | undefined;
  let files: ReturnType<typeof buildPage> | undefined;
  const answer = async (): Promise<SharedPage> => {
    const { chromium } = await import('playwright-core');
    browser ??= chromium.launchServer(chromiumOptions);
    files ??= buildPage();
    const contents = [...(await files)].map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')] as const);
    return { browser: (await browser).wsEndpoint(), files: Object.fromEntries(contents) };
  };
  const server = createServer((_request, response) => {
    answer().then(
      (shared) => response.end(JSON.stringify(shared)),
      (error) => response.writeHead(500).end(String(error)),
    );
  });
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.env['DEVLM_TEST_PAGE'] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return async () => {
    delete process.env['DEVLM_TEST_PAGE'];
    server.close();
    server.closeAllConnections();
    await (await browser)?.close();
  };
}

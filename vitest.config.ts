import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** The parts of `npm test`, each a folder below test/. */
const parts = ['unit', 'contract', 'integration', 'vscode'] as const;

export default defineConfig({
  // The oldest Node that runs the server knows no `using` yet.
  oxc: { target: 'node22' },
  test: {
    // Most tests wait for a process or a socket: even two cores can carry two files.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: parts.map((name) => ({
      extends: true,
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        ...(name === 'unit' ? {} : { testTimeout: 30_000, hookTimeout: 60_000 }),
        // One editor at a time: each is a server, an extension host and a browser.
        ...(name === 'vscode' ? { globalSetup: 'test/support/vscode/global-setup.ts', fileParallelism: false } : {}),
      },
    })),
  },
});

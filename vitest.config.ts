import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** The parts of `npm test`, each a folder below test/. */
const parts = ['unit', 'contract', 'integration', 'vscode'] as const;

/** Run once, before the tests of a part. */
const setUps: Record<(typeof parts)[number], string[]> = {
  unit: ['test/support/page-global-setup.ts'],
  contract: ['test/support/docker-global-setup.ts'],
  integration: ['test/support/docker-global-setup.ts'],
  vscode: ['test/support/docker-global-setup.ts', 'test/support/vscode/global-setup.ts'],
};

export default defineConfig({
  // The oldest Node that runs the server knows no `using` yet.
  oxc: { target: 'node22' },
  test: {
    // Most tests wait for a process or a socket: even two cores can carry two files.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Waits for a condition end as soon as it is true; on a busy machine that takes longer than the default of a second.
    expect: { poll: { timeout: 10_000 } },
    // The Docker engine of a run ends with it, and what it leaves is removed.
    teardownTimeout: 60_000,
    projects: parts.map((name) => ({
      extends: true,
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        globalSetup: setUps[name],
        // Some of the unit tests drive the chat page in a browser.
        ...(name === 'unit' ? { testTimeout: 20_000 } : { testTimeout: 30_000, hookTimeout: 60_000 }),
      },
    })),
  },
});

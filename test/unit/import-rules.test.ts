import { execFile } from 'node:child_process';
import { appendFile, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';

const root = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

/** Imports that Biome has to refuse: `importer` may not import `specifier`. */
const refused: readonly (readonly [importer: string, specifier: string])[] = [
  ['protocol/src/x.ts', 'node:fs'],
  ['protocol/src/x.ts', '@devlm/server/config.ts'],
  ['protocol/src/x.ts', '../../server/src/config.ts'],
  ['protocol/src/x.ts', 'vscode'],
  ['protocol/src/x.ts', '@devlm/workspace-core/image-type.ts'],
  ['workspace-core/src/x.ts', 'vscode'],
  ['workspace-core/src/x.ts', 'node:fs'],
  ['workspace-core/src/x.ts', 'node:path'],
  ['workspace-core/src/x.ts', '@devlm/server/config.ts'],
  ['workspace-core/src/x.ts', '../../protocol/src/events.ts'],
  ['extension/src/x.ts', '@devlm/server/config.ts'],
  ['extension/src/x.ts', '@devlm/webview-ui/main.tsx'],
  ['extension/src/chat/x.ts', '../../../server/src/config.ts'],
  ['extension/src/x.ts', '../../protocol/src/events.ts'],
  ['extension/src/x.ts', '../../workspace-core/src/image-type.ts'],
  ['extension/src/x.ts', '@anthropic-ai/sdk'],
  ['extension/src/x.ts', 'node:sqlite'],
  ['extension/src/x.ts', 'express'],
  ['webview-ui/src/x.ts', 'vscode'],
  ['webview-ui/src/x.ts', 'node:fs'],
  ['webview-ui/src/x.ts', '@devlm/extension/main.ts'],
  ['webview-ui/src/x.ts', '@devlm/workspace-core/image-type.ts'],
  ['webview-ui/src/x.ts', '@devlm/server/config.ts'],
  ['webview-ui/src/parts/x.ts', '../../../extension/src/main.ts'],
  ['server/src/x.ts', './gateway/app.ts'],
  ['server/src/x.ts', './context.ts'],
  ['server/src/x.ts', '@devlm/extension/main.ts'],
  ['server/src/config.ts', './storage/ports/store.ts'],
  ['server/src/main.ts', './storage/sqlite/sqlite.ts'],
  ['server/src/main.ts', 'express'],
  ['server/src/main.ts', 'vscode'],
  ['server/src/context.ts', './gateway/app.ts'],
  ['server/src/context.ts', './main.ts'],
  ['server/src/context.ts', 'pg'],
  ['server/src/context.ts', 'node:sqlite'],
  ['server/src/context.ts', '@anthropic-ai/sdk'],
  ['server/src/gateway/x.ts', '../main.ts'],
  ['server/src/gateway/x.ts', '../storage/sqlite/sqlite.ts'],
  ['server/src/gateway/x.ts', '../llm/anthropic.ts'],
  ['server/src/gateway/x.ts', '@anthropic-ai/sdk'],
  ['server/src/gateway/routes/x.ts', '../../../../test/support/x.ts'],
  ['server/src/backend/x.ts', '../gateway/app.ts'],
  ['server/src/backend/x.ts', '../context.ts'],
  ['server/src/backend/x.ts', 'express'],
  ['server/src/backend/x.ts', '../storage/postgres/postgres.ts'],
  ['server/src/agent/x.ts', '../backend/x.ts'],
  ['server/src/agent/x.ts', '../gateway/sse.ts'],
  ['server/src/agent/x.ts', '../llm/anthropic.ts'],
  ['server/src/agent/x.ts', '@anthropic-ai/sdk'],
  ['server/src/agent/x.ts', 'kysely'],
  ['server/src/actions/web/x.ts', '../../llm/web-search.ts'],
  ['server/src/actions/web/x.ts', '../../sandbox/sandbox.ts'],
  ['server/src/actions/x.ts', 'linkedom'],
  ['server/src/llm/x.ts', '../agent/loop.ts'],
  ['server/src/llm/x.ts', '../actions/policy.ts'],
  ['server/src/llm/x.ts', '../sandbox/sandbox.ts'],
  ['server/src/llm/x.ts', '../storage/sqlite/sqlite.ts'],
  ['server/src/llm/x.ts', 'pg'],
  ['server/src/llm/x.ts', 'undici'],
  ['server/src/llm/x.ts', '@anthropic-ai/bedrock-sdk'],
  ['server/src/llm/x.ts', './platforms/vertex.ts'],
  ['server/src/gateway/x.ts', '../llm/platforms/bedrock.ts'],
  ['server/src/llm/platforms/x.ts', '../../storage/ports/store.ts'],
  ['server/src/actions/tools/x.ts', '../../agent/loop.ts'],
  ['server/src/actions/x.ts', '../llm/model.ts'],
  ['server/src/actions/x.ts', 'dockerode'],
  ['server/src/actions/x.ts', '@modelcontextprotocol/sdk/client/index.js'],
  ['server/src/actions/foreign/mcp/x.ts', '../../../agent/loop.ts'],
  ['server/src/actions/x.ts', 'unbash'],
  ['server/src/workspace/x.ts', 'ignore'],
  ['server/src/workspace/folder/x.ts', 'ignore'],
  ['extension/src/x.ts', 'ignore'],
  ['server/src/workspace/folder/x.ts', '../../agent/loop.ts'],
  ['server/src/sandbox/x.ts', 'dockerode'],
  ['server/src/workspace/x.ts', '../../../workspace-core/src/image-type.ts'],
  ['server/src/sandbox/x.ts', '@devlm/workspace-core/image-type.ts'],
  ['server/src/storage/x.ts', '../sandbox/sandbox.ts'],
  ['server/src/storage/x.ts', '../agent/loop.ts'],
  ['server/src/storage/x.ts', 'express'],
  ['server/src/storage/x.ts', 'ioredis'],
  ['server/src/storage/redis/x.ts', 'pg'],
  ['server/src/context.ts', 'ioredis'],
  ['server/src/gateway/x.ts', '../storage/redis/connection.ts'],
  ['server/src/llm/x.ts', '../storage/redis/redis-cache.ts'],
  ['server/src/sandbox/x.ts', '../storage/ports/store.ts'],
  ['server/src/sandbox/x.ts', 'node:sqlite'],
  ['server/src/agent/x.ts', '../proof/mutants.ts'],
  ['server/src/agent/x.ts', '../storage/sql/sql-store.ts'],
  ['server/src/backend/x.ts', '../storage/memory/memory-cache.ts'],
  ['server/src/proof/x.ts', '../agent/loop.ts'],
  ['server/src/proof/x.ts', '../backend/tools.ts'],
  ['server/src/proof/x.ts', '../llm/model.ts'],
  ['server/src/proof/frameworks/x.ts', '../../sandbox/docker/docker.ts'],
  ['server/src/llm/x.ts', '../proof/mutants.ts'],
  ['server/src/llm/x.ts', '../workspace/workspace.ts'],
  ['server/src/actions/x.ts', '../proof/mutants.ts'],
  ['server/src/actions/x.ts', '../storage/sql/sql-store.ts'],
  ['server/src/workspace/x.ts', '../actions/tool.ts'],
  ['server/src/workspace/x.ts', '../sandbox/sandbox.ts'],
  ['server/src/workspace/folder/x.ts', '../../storage/ports/store.ts'],
  ['server/src/storage/x.ts', 'kysely'],
  ['server/src/storage/x.ts', 'pg'],
  ['server/src/storage/x.ts', 'node:sqlite'],
  ['server/src/storage/x.ts', '../workspace/workspace.ts'],
  ['server/src/storage/ports/x.ts', 'kysely'],
  ['server/src/storage/ports/x.ts', 'node:crypto'],
  ['server/src/storage/ports/x.ts', '../sql/schema.ts'],
  ['server/src/storage/sql/x.ts', 'pg'],
  ['server/src/storage/sql/x.ts', 'node:sqlite'],
  ['server/src/storage/sql/x.ts', '../sqlite/sqlite.ts'],
  ['server/src/storage/migrations/x.ts', '../postgres/postgres.ts'],
  ['server/src/storage/sqlite/x.ts', 'pg'],
  ['server/src/storage/sqlite/x.ts', '../postgres/postgres.ts'],
  ['server/src/storage/postgres/x.ts', 'node:sqlite'],
  ['server/src/storage/postgres/x.ts', '../sqlite/sqlite.ts'],
  ['server/src/storage/memory/x.ts', 'kysely'],
  ['server/src/storage/memory/x.ts', '../sql/schema.ts'],
  ['server/src/storage/redis/x.ts', '../memory/memory-cache.ts'],
];

/** Imports that have to stay possible. */
const allowed: typeof refused = [
  ['protocol/src/x.ts', 'zod'],
  ['protocol/src/x.ts', './limits.ts'],
  ['workspace-core/src/x.ts', '@devlm/protocol/ids.ts'],
  ['workspace-core/src/x.ts', 'ignore'],
  ['extension/src/chat/x.ts', '../connection/client.ts'],
  ['extension/src/x.ts', 'vscode'],
  ['extension/src/x.ts', 'node:fs/promises'],
  ['extension/src/x.ts', '@devlm/protocol/events.ts'],
  ['extension/src/x.ts', '@devlm/workspace-core/image-type.ts'],
  ['webview-ui/src/x.ts', 'highlight.js/lib/core'],
  ['webview-ui/src/x.ts', 'preact/hooks'],
  ['webview-ui/src/x.ts', '@devlm/protocol/events.ts'],
  ['server/src/main.ts', './gateway/app.ts'],
  ['server/src/main.ts', './context.ts'],
  ['server/src/context.ts', './storage/sqlite/sqlite.ts'],
  ['server/src/context.ts', './llm/anthropic.ts'],
  ['server/src/llm/platforms/x.ts', '@anthropic-ai/vertex-sdk'],
  ['server/src/gateway/x.ts', 'express'],
  ['server/src/gateway/x.ts', 'undici'],
  ['server/src/gateway/x.ts', '../context.ts'],
  ['server/src/gateway/x.ts', '../backend/x.ts'],
  ['server/src/backend/x.ts', '../agent/loop.ts'],
  ['server/src/agent/x.ts', '../llm/model.ts'],
  ['server/src/agent/x.ts', '../storage/ports/store.ts'],
  ['server/src/agent/x.ts', '../config.ts'],
  ['server/src/llm/x.ts', '@anthropic-ai/sdk'],
  ['server/src/llm/x.ts', '../storage/ports/store.ts'],
  ['server/src/actions/x.ts', '../sandbox/sandbox.ts'],
  ['server/src/actions/policy/x.ts', 'unbash'],
  ['server/src/sandbox/docker/x.ts', 'dockerode'],
  ['server/src/storage/sqlite/x.ts', 'node:sqlite'],
  ['server/src/storage/postgres/x.ts', 'pg'],
  ['server/src/storage/redis/x.ts', 'ioredis'],
  ['server/src/gateway/x.ts', '../storage/ports/rate-limiter.ts'],
  ['server/src/backend/x.ts', '../proof/check-tests.ts'],
  ['server/src/proof/x.ts', '../actions/tool.ts'],
  ['server/src/proof/x.ts', '../workspace/workspace.ts'],
  ['server/src/actions/x.ts', '../workspace/workspace.ts'],
  ['server/src/actions/x.ts', '@devlm/workspace-core/image-type.ts'],
  ['server/src/workspace/folder/x.ts', '@devlm/workspace-core/image-type.ts'],
  ['server/src/actions/foreign/mcp/x.ts', '@modelcontextprotocol/sdk/client/index.js'],
  ['server/src/storage/ports/x.ts', './events.ts'],
  ['server/src/storage/ports/x.ts', 'zod'],
  ['server/src/storage/sql/x.ts', 'kysely'],
  ['server/src/storage/sql/x.ts', '../ports/store.ts'],
  ['server/src/storage/sqlite/x.ts', '../sql/sql-store.ts'],
  ['server/src/storage/postgres/x.ts', 'kysely'],
  ['server/src/storage/memory/x.ts', 'lru-cache'],
  ['server/src/storage/sqlite/x.ts', 'lru-cache'],
  ['server/src/llm/pool/x.ts', 'lru-cache'],
  ['server/src/workspace/folder/x.ts', 'lru-cache'],
];

const Report = z.object({
  diagnostics: z.array(
    z.object({
      category: z.string(),
      location: z.object({ path: z.string(), start: z.object({ line: z.int() }) }),
    }),
  ),
});

describe('the import rules of biome.imports.json', () => {
  let folder = '';
  /** Returns `path:line category` of everything that Biome reported. */
  let found: string[] = [];
  /** Each case is on a separate line of its importer. */
  const cases = [...refused, ...allowed].map(([importer, specifier], index, all) => ({
    importer,
    specifier,
    line: 1 + all.slice(0, index).filter(([other]) => other === importer).length,
    fine: index >= refused.length,
  }));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'devlm-imports-'));
    await Promise.all(
      ['biome.json', 'biome.imports.json', '.gitignore'].map((f) => cp(join(root, f), join(folder, f))),
    );
    const append = async (path: string, text: string) => {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await appendFile(join(folder, path), text);
    };
    for (const { importer, specifier } of cases) await append(importer, `import '${specifier}';\n`);
    await append('scripts/circle-a.ts', "import { b } from './circle-b.ts';\nexport const a = () => b;\n");
    await append('scripts/circle-b.ts', "import { a } from './circle-a.ts';\nexport const b = () => a;\n");
    await append('scripts/types-a.ts', "import type { B } from './types-b.ts';\nexport type A = B[];\n");
    await append('scripts/types-b.ts', "import type { A } from './types-a.ts';\nexport type B = A[];\n");
    await append('scripts/long.ts', 'export {};\n'.repeat(401));
    const functionOf = (lines: number) => `export function f() {\n${'  f();\n'.repeat(lines)}}\n`;
    await append('scripts/function-60.ts', functionOf(60));
    await append('scripts/function-61.ts', functionOf(61));
    await append('bench/function-61.ts', functionOf(61));
    await append('test/function-61.ts', functionOf(61));
    const biome = join(root, 'node_modules/.bin/biome');
    const args = ['lint', '--reporter=json', '--max-diagnostics=none', '.'];
    const { stdout } = await run(biome, args, { cwd: folder, maxBuffer: 1 << 26 }).catch((error) => error);
    found = Report.parse(JSON.parse(stdout)).diagnostics.map(
      ({ category, location }) => `${location.path}:${location.start.line} ${category}`,
    );
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each(cases.filter((c) => !c.fine))('$importer may not import $specifier', ({ importer, line }) => {
    expect(found).toContain(`${importer}:${line} lint/style/noRestrictedImports`);
  });

  test.each(cases.filter((c) => c.fine))('$importer may import $specifier', ({ importer, line }) => {
    expect(found).not.toContain(`${importer}:${line} lint/style/noRestrictedImports`);
  });

  test('no file has more than 400 lines', () => {
    expect(found.filter((line) => line.endsWith('lint/style/noExcessiveLinesPerFile'))).toHaveLength(1);
  });

  test('no function has more than 60 lines outside of tests and benchmarks', () => {
    const rule = 'lint/complexity/noExcessiveLinesPerFunction';
    expect(found.filter((line) => line.endsWith(rule))).toEqual([`scripts/function-61.ts:1 ${rule}`]);
  });

  test('no imports form a cycle', () => {
    expect(found).toContain('scripts/circle-a.ts:1 lint/suspicious/noImportCycles');
    expect(found).toContain('scripts/types-a.ts:1 lint/suspicious/noImportCycles');
  });
});

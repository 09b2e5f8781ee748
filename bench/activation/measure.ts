import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as vscode from 'vscode';
import { test } from '../../test/support/vscode/harness.ts';

interface Entry {
  activate(context: vscode.ExtensionContext): unknown;
}

/*
 * Measures, inside the extension host, how long VS Code takes to load the entry module and to call its `activate`. A
 * wrapper replaces the real module in Node's cache.
 */
test('activation', async () => {
  const extension = vscode.extensions.getExtension('devlm.devlm');
  if (!extension || extension.isActive) throw new Error('DevLM is not there, or was activated too early.');
  const require = createRequire(join(extension.extensionPath, 'package.json'));
  const file = require.resolve(join(extension.extensionPath, extension.packageJSON.main));
  const started = performance.now();
  const entry: Entry = require(file);
  const loadMs = performance.now() - started;
  let activateMs = Number.NaN;
  const cached = require.cache[file];
  if (!cached) throw new Error('The entry module is not in the cache.');
  cached.exports = {
    ...entry,
    async activate(context: vscode.ExtensionContext) {
      const called = performance.now();
      const api = await entry.activate(context);
      activateMs = performance.now() - called;
      return api;
    },
  };
  await extension.activate();
  const loaded = Object.keys(require.cache).filter((path) => dirname(path) === dirname(file));
  return { loadMs, activateMs, loadedKb: loaded.reduce((sum, path) => sum + statSync(path).size, 0) / 1024 };
});

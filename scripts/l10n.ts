import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { commands } from '../extension/src/commands.ts';

/*
 * Collects the English texts of the extension and of the page into l10n/bundle.l10n.json, from which translators create
 * l10n/bundle.l10n.LANGUAGE.json. Texts of the manifest are in package.nls.json. Run it after adding a text; a unit test
 * fails if the file is out of date.
 */

const root = resolve(import.meta.dirname, '..');

/** Path of the generated file. */
export const bundlePath = join(root, 'l10n/bundle.l10n.json');

/** Folders with texts for users. `protocol` has those that the extension and the page share. */
const folders = ['extension/src', 'webview-ui/src', 'protocol/src'];

/** Matches a call of `t` or `l10n.t`, and its first argument if that is a literal. */
const call = /(?<![\w$.])(?:vscode\.l10n\.|l10n\.)?t\(\s*('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`[^`$\\]*`)?/g;

/** Calls without a literal text: the two that pass a text on, and titles from the table of commands. */
const known = [/t\(text, \.\.\.args\)/, /t\(command\.title\)/, /function t\(/];

/** Returns the texts in a source file, and the calls whose text is not a literal. */
export function textsOf(source: string): { texts: string[]; unreadable: string[] } {
  const texts: string[] = [];
  const unreadable: string[] = [];
  for (const match of source.matchAll(call)) {
    const literal = match[1];
    const lineStart = source.lastIndexOf('\n', match.index) + 1;
    const line = source.slice(lineStart).split('\n', 1)[0]?.trim() ?? '';
    if (literal !== undefined) texts.push(unquoted(literal));
    else if (!known.some((form) => form.test(line))) unreadable.push(line);
  }
  return { texts, unreadable };
}

function unquoted(literal: string): string {
  const inner = literal.slice(1, -1).replaceAll(/\\(['`])/g, '$1');
  return JSON.parse(`"${inner.replaceAll(/(?<!\\)"/g, '\\"').replaceAll('\n', '\\n')}"`);
}

/** Returns all texts, sorted, as the content of the bundle. @throws if the text of a call is not a literal */
export async function collect(): Promise<Record<string, string>> {
  const found = new Set(commands.map(({ title }) => title));
  for (const folder of folders) {
    for (const entry of await readdir(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/\.tsx?$/.test(entry.name)) continue;
      const path = join(entry.parentPath, entry.name);
      const { texts, unreadable } = textsOf(await readFile(path, 'utf8'));
      if (unreadable.length > 0)
        throw new Error(`${path}: the text must be a literal in the call: ${unreadable.join(' | ')}`);
      for (const text of texts) found.add(text);
    }
  }
  return Object.fromEntries([...found].sort().map((text) => [text, text]));
}

if (import.meta.main) {
  const bundle = await collect();
  await writeFile(bundlePath, `${JSON.stringify(bundle, null, 2)}\n`);
  console.log(`${Object.keys(bundle).length} texts in l10n/bundle.l10n.json`);
}

import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../../scripts/build.ts';

const pages = [...globSync('*.md', { cwd: root }), ...globSync('{docs,walkthrough,.github}/**/*.md', { cwd: root })];
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** All files of the repository in which documents name other files. */
const files = globSync('{protocol,workspace-core,server,extension,webview-ui,test,bench,scripts,docs,docker}/**/*.*', {
  cwd: root,
  exclude: (name) => /(^|\/)node_modules$/.test(name),
}).map((path) => `/${path.replaceAll('\\', '/')}`);

/** Returns the text without its code blocks. */
const prose = (markdown: string) => markdown.replace(/^```[\s\S]*?^```/gm, '');

/** A block of a recipe: the content of a new file, or a diff of an existing one. */
const recipeBlock = /^( *)(Create|In) `([^`]+)`:\n\n *```\w+\n([\s\S]*?)^ *```$/gm;

/** Returns the places of a recipe that no longer fit the sources. */
function stale(recipe: string): string[] {
  return [...recipe.matchAll(recipeBlock)].flatMap(([, indent = '', kind, path = '', block = '']) => {
    if (kind === 'Create') return existsSync(join(root, path)) ? [`${path} exists`] : [];
    const diff = block.split('\n').map((line) => line.slice(indent.length));
    const kept = diff.filter((line) => /^[ -]/.test(line)).map((line) => line.slice(1));
    const lines = read(path).split('\n');
    const places = lines.filter((_, i) => kept.every((line, j) => lines[i + j]?.startsWith(line)));
    return places.length === 1 ? [] : [`${path} has this ${places.length} times: ${kept.join(' | ')}`];
  });
}

/** Returns the anchors of a page's headings as GitHub makes them. */
const anchors = (markdown: string) =>
  [...prose(markdown).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

describe('documents', () => {
  it.each(pages)('%s links only to pages, pictures and headings that exist', (page) => {
    const links = [...prose(read(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    const broken = links.filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !anchors(read(target)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it.each(pages.filter((page) => page.startsWith('docs/') && !page.startsWith('docs/recipes/')))(
    '%s names only source files that exist',
    (page) => {
      const named = [...prose(read(page)).matchAll(/`([\w./-]+\.(?:ts|tsx|mjs))`/g)].map(([, file = '']) => file);
      expect(named.filter((file) => !files.some((path) => path.endsWith(`/${file}`)))).toEqual([]);
    },
  );

  it.each(pages.filter((page) => page.startsWith('docs/recipes/add-')))('%s is up to date with the sources', (page) => {
    expect([...read(page).matchAll(recipeBlock)].length).toBeGreaterThan(1);
    expect(stale(read(page))).toEqual([]);
  });

  it('the glossary gives each word one sentence and a file that exists', () => {
    const rows = read('docs/glossary.md')
      .split('\n')
      .filter((line) => /^\| (?!word|---)/.test(line));
    expect(rows.length).toBeGreaterThan(50);
    const wrong = rows.filter((row) => {
      const [, word = '', meaning = '', file = ''] = row.split('|').map((cell) => cell.trim());
      return word === '' || !/^[A-Z].*[.]$/.test(meaning) || !existsSync(join(root, file.replaceAll('`', '')));
    });
    expect(wrong).toEqual([]);
  });

  it('the glossary explains no word twice', () => {
    const words = [...read('docs/glossary.md').matchAll(/^\| (\w[^|]*?) +\|/gm)].map(([, word]) => word);
    expect(words.filter((word, i) => word !== 'word' && words.indexOf(word) !== i)).toEqual([]);
  });
});

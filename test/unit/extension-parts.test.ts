import { join } from 'node:path';
import type { SavedView } from '@devlm/protocol/page.ts';
import { describe, expect, it } from 'vitest';
import { ViewStore } from '../../extension/src/chat/saved-view.ts';
import { dataFolder } from '../../extension/src/connection/data-folder.ts';
import { serverEnvironment } from '../../extension/src/connection/launcher.ts';
import { compareVersions } from '../../extension/src/connection/version.ts';
import { contentOf } from '../../extension/src/editor/content.ts';
import { parseLink } from '../../extension/src/editor/link.ts';
import { rankPaths } from '../../extension/src/editor/rank.ts';

describe('links in answers', () => {
  it.each([
    ['https://example.org/a b?x=1#y', { kind: 'external', url: 'https://example.org/a%20b?x=1#y' }],
    ['mailto:a@example.org', { kind: 'external', url: 'mailto:a@example.org' }],
    ['src/a.ts', { kind: 'file', path: 'src/a.ts' }],
    ['src/a.ts#L10', { kind: 'file', path: 'src/a.ts', line: 10 }],
    ['src/a.ts#L10-L20', { kind: 'file', path: 'src/a.ts', line: 10, endLine: 20 }],
    ['src/a.ts#L10C3-L20', { kind: 'file', path: 'src/a.ts', line: 10, endLine: 20 }],
    ['src/a.ts:10', { kind: 'file', path: 'src/a.ts', line: 10 }],
    ['src/a.ts:10:4', { kind: 'file', path: 'src/a.ts', line: 10 }],
    ['./with%20space.md', { kind: 'file', path: './with space.md' }],
    ['file:///home/me/a.ts#L2', { kind: 'file', path: '/home/me/a.ts', line: 2 }],
    ['C:\\work\\a.ts:3', { kind: 'file', path: 'C:\\work\\a.ts', line: 3 }],
    ['a.ts#L0', { kind: 'file', path: 'a.ts', line: 1 }],
  ])('the link %s opens a page or a file', (href, link) => expect(parseLink(href)).toEqual(link));

  it.each([
    'command:workbench.action.terminal.new',
    'COMMAND:x',
    ' command:x',
    'vscode://some.extension/run',
    'vscode-insiders://x',
    'javascript:alert(1)',
    'data:text/html,x',
    'file://server/share/x',
    '//server/share',
    '\\\\server\\share',
    'ftp://example.org',
    'https://',
    '#top',
    '',
    'a%00b',
    '%E0%A4%A',
    'command%3Aworkbench.action.quit',
  ])('the link %j is refused', (href) => expect(parseLink(href)).toBeNull());
});

describe('content of files', () => {
  const bytes = (text: string) => Buffer.from(text, 'latin1');
  it.each([
    ['\x89PNG\r\n\x1a\nrest', { kind: 'image', mediaType: 'image/png' }],
    ['\xff\xd8\xff\xe0', { kind: 'image', mediaType: 'image/jpeg' }],
    ['GIF89a..', { kind: 'image', mediaType: 'image/gif' }],
    ['RIFF\x01\x02\x03\x04WEBPVP8', { kind: 'image', mediaType: 'image/webp' }],
    ['RIFF\x01\x02\0\0WAVE', { kind: 'binary' }],
    ['a\0b', { kind: 'binary' }],
    ['caf\xe9', { kind: 'binary' }],
    ['caf\xc3\xa9', { kind: 'text', text: 'café' }],
    ['', { kind: 'text', text: '' }],
  ])('the content %j is recognized', (text, content) => expect(contentOf(bytes(text))).toEqual(content));
});

describe('ranking of paths', () => {
  const paths = [
    'docs/server.md',
    'server/index.ts',
    'src/http/server.ts',
    'src/observer.ts',
    'src/someServer.ts',
    'src/save-review.ts',
  ];
  it('paths that match in the name rank before folders, beginnings before the middle, and scattered letters last', () => {
    expect(rankPaths(paths, 'server', 10)).toEqual([
      'docs/server.md',
      'src/http/server.ts',
      'src/someServer.ts',
      'src/observer.ts',
      'server/index.ts',
    ]);
    expect(rankPaths(paths, 'svrv', 10)).toContain('src/save-review.ts');
  });
  it('a path matches only if it contains every word of the query, in any order and case', () => {
    expect(rankPaths(paths, 'SERVER http', 10)).toEqual(['src/http/server.ts']);
    expect(rankPaths(paths, 'nothing', 10)).toEqual([]);
  });
  it('ranking returns at most the requested number of paths, and all paths without a query', () => {
    expect(rankPaths(paths, 's', 2)).toHaveLength(2);
    expect(rankPaths(paths, ' ', 3)).toEqual(paths.slice(0, 3));
  });
});

describe('versions', () => {
  it.each([
    ['0.1.0', '0.1.0', 0],
    ['0.2.0', '0.10.0', -1],
    ['1.0.0', '0.99.99', 1],
    ['1.0.0-beta.1', '1.0.0', -1],
    ['1.0.0', '1.0.0-beta', 1],
    ['1.0', '1.0.1', -1],
  ])('the version %s is compared with %s', (a, b, sign) => expect(Math.sign(compareVersions(a, b))).toBe(sign));
});

describe('data folder', () => {
  it('the data folder is the setting, else the variable, else the default of the system', () => {
    expect(dataFolder('/set', { DEVLM_DATA_DIR: '/env' }, 'linux', '/home/me')).toBe('/set');
    expect(dataFolder('', { DEVLM_DATA_DIR: '/env' }, 'linux', '/home/me')).toBe('/env');
    expect(dataFolder('~/x', {}, 'linux', '/home/me')).toBe(join('/home/me', 'x'));
    expect(dataFolder('', { XDG_DATA_HOME: '/xdg' }, 'linux', '/home/me')).toBe('/xdg/devlm');
    expect(dataFolder('', {}, 'linux', '/home/me')).toBe('/home/me/.local/share/devlm');
    expect(dataFolder('', {}, 'darwin', '/Users/me')).toBe('/Users/me/Library/Application Support/DevLM');
    expect(dataFolder('', { APPDATA: '/roaming' }, 'win32', '/me')).toBe('/roaming/DevLM');
  });
});

describe('environment of the server', () => {
  it('the server’s environment keeps network variables and drops those of the editor', () => {
    const env = serverEnvironment({
      PATH: '/bin',
      ANTHROPIC_API_KEY: 'k',
      DEVLM_MODEL: 'm',
      HTTPS_PROXY: 'http://proxy',
      NODE_EXTRA_CA_CERTS: '/ca.pem',
      NODE_OPTIONS: '--inspect',
      VSCODE_PID: '1',
      ELECTRON_NO_ASAR: '1',
    });
    expect(env).toEqual({
      PATH: '/bin',
      ANTHROPIC_API_KEY: 'k',
      DEVLM_MODEL: 'm',
      HTTPS_PROXY: 'http://proxy',
      NODE_EXTRA_CA_CERTS: '/ca.pem',
      ELECTRON_RUN_AS_NODE: '1',
    });
  });
});

describe('saved view', () => {
  class Memory {
    value: unknown;
    get(): unknown {
      return this.value;
    }
    async update(_key: string, value: unknown): Promise<void> {
      this.value = structuredClone(value);
    }
  }
  const defaults = { model: 'm', thinking: true };
  const image = { kind: 'image', name: 'a.png', mediaType: 'image/png', data: 'A'.repeat(400_000) } as const;

  it('the saved view starts with the defaults, also if the stored one is unreadable', () => {
    const memory = new Memory();
    expect(new ViewStore(memory, defaults).view).toEqual({ conversationId: null, drafts: {}, ...defaults });
    memory.value = { conversationId: 7 };
    expect(new ViewStore(memory, defaults).view).toEqual({ conversationId: null, drafts: {}, ...defaults });
  });

  it('the saved view returns everything while the window is open, and later what fits: texts before attachments', async () => {
    const memory = new Memory();
    const store = new ViewStore(memory, defaults);
    const view: SavedView = {
      conversationId: 'c1',
      drafts: { c1: { text: 'words', attachments: [image] }, new: { text: 'more', attachments: [] } },
      model: null,
      thinking: false,
    };
    await store.save(view);
    expect(store.view).toEqual(view);
    expect(new ViewStore(memory, defaults).view).toEqual({
      ...view,
      drafts: { c1: { text: 'words', attachments: [] }, new: { text: 'more', attachments: [] } },
    });
  });

  it('the saved view is bounded', async () => {
    const memory = new Memory();
    const store = new ViewStore(memory, defaults);
    const drafts = Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [`c${i}`, { text: 'x'.repeat(20_000), attachments: [] }]),
    );
    await store.save({ conversationId: null, drafts, model: null, thinking: false });
    expect(Object.keys(store.view.drafts)).toHaveLength(30);
    expect(JSON.stringify(memory.value).length).toBeLessThan(210_000);
    expect(Object.keys(new ViewStore(memory, defaults).view.drafts)).toContain('c199');
  });
});

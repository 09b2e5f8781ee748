import { TextAttachment } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { type Mention, PathsAnswer, SymbolsAnswer } from '@devlm/protocol/page.ts';
import type { NamedSymbol } from '@devlm/protocol/views.ts';
import { t } from '../l10n.ts';
import { attempt, projectId } from '../state/app.ts';
import { attach } from '../state/drafts.ts';
import { transport } from '../transport.ts';
import { attachMention, attachPaths, attachSelection } from './attaching.ts';
import type { Suggestion } from './suggestion.ts';

/* Suggestions for `@` besides files. `@folder:`, `@symbol:` and `@url:` expect more text; the others attach at once. */

interface MentionKind {
  readonly name: string;
  readonly icon: string;
  readonly about: () => string;
  /** Whether more text has to be typed after the name. */
  readonly more?: true;
  readonly run?: () => void;
}

const mention = (name: string, icon: string, what: Mention, about: () => string): MentionKind => ({
  name,
  icon,
  about,
  run: () => void attempt(() => attachMention(what)),
});

const mentionKinds: readonly MentionKind[] = [
  { name: 'folder', icon: 'folder', about: () => t('A folder: its file list and small files'), more: true },
  { name: 'symbol', icon: 'symbol-class', about: () => t('The definition of a symbol'), more: true },
  mention('problems', 'warning', { kind: 'problems' }, () => t('Errors and warnings in the editor')),
  { name: 'selection', icon: 'list-selection', about: () => t('The selected code'), run: () => attachSelection() },
  mention('terminal', 'terminal', { kind: 'terminal' }, () => t('The last command in the terminal')),
  mention('staged', 'git-commit', { kind: 'git', of: 'staged' }, () => t('Staged changes in Git')),
  mention('branch', 'git-branch', { kind: 'git', of: 'branch' }, () => t('All changes on this Git branch')),
  { name: 'url', icon: 'globe', about: () => t('The text of a web page'), more: true },
];

/** Number of open files that are listed above the mention kinds before anything is typed. */
const maxOpenFiles = 3;

/** Returns suggestions for the text after an `@`, best first. */
export async function suggestMentions(query: string): Promise<Suggestion[]> {
  const [, kind, rest = ''] = /^(folder|symbol|url):(.*)$/s.exec(query) ?? [];
  if (kind === 'folder') return await folders(rest);
  if (kind === 'symbol') return rest === '' ? [] : await symbols(rest);
  if (kind === 'url') return urls(rest);
  if (/^https?:\/\//i.test(query)) return urls(query);
  const words = query.toLowerCase();
  const kinds = mentionKinds.filter(
    ({ name }) => name.startsWith(words) || (words.length > 2 && `git:${name}`.startsWith(words)),
  );
  const fileRows = PathsAnswer.parse(
    await transport.editor({ action: 'findFiles', query: query.slice(0, limits.queryChars) }),
  ).paths.map(fileRow);
  if (query === '') return [...fileRows.slice(0, maxOpenFiles), ...kinds.map(kindRow)];
  return [...kinds.map(kindRow), ...fileRows];
}

function kindRow({ name, icon, about, more, run }: MentionKind): Suggestion {
  return {
    id: `@${name}`,
    icon,
    label: `@${name}`,
    detail: about(),
    take: (replace) => {
      // Open the list again for the text that follows.
      replace(more ? `@${name}:` : `@${name} `, more);
      run?.();
    },
  };
}

function fileRow(path: string): Suggestion {
  return pathRow(path, 'file', () => attachPaths([path]));
}

async function folders(query: string): Promise<Suggestion[]> {
  const { paths } = PathsAnswer.parse(await transport.editor({ action: 'findFolders', query }));
  return paths.map((path) => pathRow(path, 'folder', () => attachMention({ kind: 'folder', path })));
}

function pathRow(path: string, icon: string, read: () => Promise<void>): Suggestion {
  return {
    id: `${icon} ${path}`,
    icon,
    label: path.split('/').at(-1) ?? path,
    detail: path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '',
    take: (replace) => {
      replace(`@${path} `);
      void attempt(read);
    },
  };
}

/** Returns symbols that the server has parsed and that language servers know. Either source may fail. */
async function symbols(query: string): Promise<Suggestion[]> {
  const id = projectId.value;
  const requests = [
    id === null
      ? Promise.resolve({ items: [] })
      : transport.call('symbols.find', { params: { projectId: id }, query: { query } }),
    transport.editor({ action: 'findSymbols', query }).then((answer) => SymbolsAnswer.parse(answer)),
  ];
  const answers = await Promise.allSettled(requests);
  const byLocation = new Map<string, NamedSymbol>();
  for (const answer of answers) {
    if (answer.status === 'rejected') continue;
    for (const symbol of answer.value.items) {
      const key = `${symbol.path}:${symbol.line}`;
      if (!byLocation.has(key)) byLocation.set(key, symbol);
    }
  }
  return [...byLocation.values()].slice(0, maxSymbols).map(({ name, kind, path, line, endLine }) => ({
    id: `symbol ${path}:${line}:${name}`,
    icon: symbolIcons.has(kind) ? `symbol-${kind}` : 'symbol-misc',
    label: name,
    detail: `${path}:${line}`,
    take: (replace) => {
      replace(`@${name.replaceAll(/\s+/g, '')} `);
      const what: Mention = { kind: 'symbol', name, path, line, ...(endLine ? { endLine } : {}) };
      void attempt(() => attachMention(what));
    },
  }));
}

const maxSymbols = 30;
const symbolIcons = new Set(['class', 'interface', 'enum', 'function', 'method', 'variable', 'property', 'constant']);

function urls(text: string): Suggestion[] {
  const address = /^https?:\/\//i.test(text) ? text : `https://${text}`;
  // A host name without a dot is incomplete.
  if (!URL.canParse(address) || !/[.:[]/.test(new URL(address).host)) return [];
  const url = new URL(address).href;
  return [
    {
      id: `url ${url}`,
      icon: 'globe',
      label: new URL(url).host,
      detail: url,
      take: (replace) => {
        replace(`${url} `);
        void attempt(async () => {
          const page = TextAttachment.parse(await transport.call('pages.read', { body: { url } }));
          attach({ attachments: [page], problems: [] });
        });
      },
    },
  ];
}

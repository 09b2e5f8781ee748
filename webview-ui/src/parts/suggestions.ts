import { limits } from '@devlm/protocol/limits.ts';
import { FilesAnswer, PathsAnswer } from '@devlm/protocol/page.ts';
import { t } from '../l10n.ts';
import { exportConversation, newConversation } from '../state/actions.ts';
import { attempt, models, pickedModel, runCommand, screen, showToast, thinking } from '../state/app.ts';
import { attach, saveSoon, setDraft } from '../state/drafts.ts';
import { transport } from '../transport.ts';
import { modelPickerRequests } from './problem-card.tsx';

/** One line of the list above the composer. */
export interface Suggestion {
  readonly id: string;
  readonly icon: string;
  readonly label: string;
  readonly detail: string;
  /** Takes it; `replace` puts text in the place of what was typed to find it. */
  take(replace: (text: string) => void): void;
}

/** What is being typed at the caret that a list can complete. */
export type Trigger = { readonly kind: 'file' | 'command'; readonly query: string; readonly start: number };

/** Finds an `@` or a leading `/` before the caret. */
export function triggerAt(text: string, caret: number): Trigger | null {
  const before = text.slice(0, caret);
  const command = /^\/([\w-]*)$/.exec(before);
  if (command) return { kind: 'command', query: command[1] ?? '', start: 0 };
  const file = /(?:^|[\s(])@([^\s@]{0,200})$/.exec(before);
  return file ? { kind: 'file', query: file[1] ?? '', start: caret - (file[1] ?? '').length - 1 } : null;
}

/** The slash commands. `run` gets what was typed behind the name. */
export const commands: readonly { name: string; icon: string; about: () => string; run(rest: string): void }[] = [
  { name: 'new', icon: 'add', about: () => t('Start a new chat'), run: newConversation },
  {
    name: 'history',
    icon: 'history',
    about: () => t('Show earlier conversations'),
    run: () => {
      screen.value = 'history';
    },
  },
  { name: 'export', icon: 'export', about: () => t('Save this conversation as Markdown'), run: exportConversation },
  { name: 'model', icon: 'sparkle', about: () => t('Pick the model for the next messages'), run: pickModel },
  { name: 'thinking', icon: 'lightbulb', about: () => t('Turn thinking on or off'), run: toggleThinking },
  { name: 'selection', icon: 'list-selection', about: () => t('Attach the selected code'), run: attachSelection },
  { name: 'settings', icon: 'gear', about: () => t('Open the settings'), run: () => runCommand('openSettings') },
  { name: 'help', icon: 'question', about: () => t('List these commands'), run: () => setDraft({ text: '/' }) },
];

/** Runs a command written as a whole message; false when there is none of that name. */
export function runSlashCommand(text: string): boolean {
  const [, name = '', rest = ''] = /^\/([\w-]+)(?:\s+(.*))?$/s.exec(text.trim()) ?? [];
  const command = commands.find((entry) => entry.name === name.toLowerCase());
  // Only one of them takes words: with any other this is a message that happens to begin so.
  if (!command || (rest !== '' && command.name !== 'model')) return false;
  setDraft({ text: '' });
  command.run(rest);
  return true;
}

function pickModel(name: string): void {
  const words = name.trim().toLowerCase();
  const found =
    words === ''
      ? undefined
      : models.value?.list.find((entry) => `${entry.id} ${entry.name}`.toLowerCase().includes(words));
  if (found) {
    pickedModel.value = found.id;
    saveSoon();
    showToast(t('The next message goes to {0}.', found.name));
  } else modelPickerRequests.value += 1;
}

function toggleThinking(): void {
  thinking.value = !thinking.value;
  saveSoon();
  showToast(thinking.value ? t('Thinking is on.') : t('Thinking is off.'));
}

/** Attaches what is selected in the active editor. */
export function attachSelection(): void {
  void attempt(async () => {
    const files = FilesAnswer.parse(await transport.editor({ action: 'readSelection' }));
    if (files.attachments.length === 0 && files.problems.length === 0)
      showToast(t('Nothing is selected in the editor.'));
    else attach(files);
  });
}

/** Attaches files by path or URI. */
export async function attachPaths(paths: readonly string[]): Promise<void> {
  attach(FilesAnswer.parse(await transport.editor({ action: 'readFiles', paths: paths.slice(0, limits.attachments) })));
}

/** What fits what is being typed, best first. */
export async function suggest(trigger: Trigger): Promise<Suggestion[]> {
  if (trigger.kind === 'command') {
    return commands
      .filter((command) => command.name.startsWith(trigger.query.toLowerCase()))
      .map((command) => ({
        id: command.name,
        icon: command.icon,
        label: `/${command.name}`,
        detail: command.about(),
        take: () => {
          setDraft({ text: '' });
          command.run('');
        },
      }));
  }
  const { paths } = PathsAnswer.parse(await transport.editor({ action: 'findFiles', query: trigger.query }));
  return paths.map((path) => ({
    id: path,
    icon: 'file',
    label: path.split('/').at(-1) ?? path,
    detail: path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '',
    take: (replace) => {
      replace(`@${path} `);
      void attempt(() => attachPaths([path]));
    },
  }));
}

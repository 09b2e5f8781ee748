import { TaskAnswer } from '@devlm/protocol/page.ts';
import type { Task } from '@devlm/protocol/tasks.ts';
import { t } from '../l10n.ts';
import { compactNow, exportConversation, newConversation, sendTask } from '../state/actions.ts';
import { attempt, models, pickedModel, runCommand, screen, showToast, thinking } from '../state/app.ts';
import { saveSoon, setDraft } from '../state/drafts.ts';
import { transport } from '../transport.ts';
import { attachSelection } from './attaching.ts';
import { suggestMentions } from './mentions.ts';
import { modelPickerRequests } from './problem-card.tsx';
import type { Suggestion } from './suggestion.ts';

/** Text at the caret that a list can complete. */
export type Trigger = { readonly kind: 'file' | 'command'; readonly query: string; readonly start: number };

/** Finds an `@` or a leading `/` before the caret. */
export function triggerAt(text: string, caret: number): Trigger | null {
  const before = text.slice(0, caret);
  const command = /^\/([\w-]*)$/.exec(before);
  if (command) return { kind: 'command', query: command[1] ?? '', start: 0 };
  const file = /(?:^|[\s(])@([^\s@]{0,200})$/.exec(before);
  return file ? { kind: 'file', query: file[1] ?? '', start: caret - (file[1] ?? '').length - 1 } : null;
}

interface SlashCommand {
  readonly name: string;
  readonly icon: string;
  readonly about: () => string;
  /** Whether text may follow the name. If not, a command with further text is sent as a message. */
  readonly words?: true;
  run(rest: string): void;
}

const task = (name: string, icon: string, taskId: Task, about: () => string): SlashCommand => ({
  name,
  icon,
  about,
  words: true,
  run: (rest) => runTask(taskId, rest),
});

/** The slash commands. `run` receives the text after the name. */
const commands: readonly SlashCommand[] = [
  task('explain', 'comment', 'explain', () => t('Explain the selected code')),
  task('fix', 'wrench', 'fix', () => t('Fix the problems at the cursor')),
  task('tests', 'beaker', 'test', () => t('Write tests for the selected code and run them')),
  task('doc', 'book', 'document', () => t('Document the selected code')),
  task('review', 'eye', 'review', () => t('Review the selected code')),
  task('generate', 'sparkle', 'generate', () => t('Write code at the cursor')),
  task('commit', 'git-commit', 'commit', () => t('Write a commit message')),
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
  {
    name: 'compact',
    icon: 'fold',
    about: () => t('Summarize the conversation to make room'),
    run: compactNow,
  },
  {
    name: 'model',
    icon: 'sparkle',
    about: () => t('Pick the model for the next messages'),
    words: true,
    run: pickModel,
  },
  { name: 'thinking', icon: 'lightbulb', about: () => t('Turn thinking on or off'), run: toggleThinking },
  { name: 'selection', icon: 'list-selection', about: () => t('Attach the selected code'), run: attachSelection },
  { name: 'settings', icon: 'gear', about: () => t('Open the settings'), run: () => runCommand('openSettings') },
  { name: 'help', icon: 'question', about: () => t('List these commands'), run: () => setDraft({ text: '/' }) },
];

/** Runs a command that is the whole message. Returns false if there is no such command. */
export function runSlashCommand(text: string): boolean {
  const [, name = '', rest = ''] = /^\/([\w-]+)(?:\s+(.*))?$/s.exec(text.trim()) ?? [];
  const command = commands.find((entry) => entry.name === name.toLowerCase());
  if (!command || (rest !== '' && !command.words)) return false;
  setDraft({ text: '' });
  command.run(rest);
  return true;
}

/** Runs a task on the code in the editor. */
function runTask(task: Task, words: string): void {
  void attempt(async () => {
    await sendTask(TaskAnswer.parse(await transport.editor({ action: 'task', task: task, words })));
  });
}

function pickModel(name: string): void {
  const words = name.trim().toLowerCase();
  const match =
    words === ''
      ? undefined
      : models.value?.list.find((entry) => `${entry.id} ${entry.name}`.toLowerCase().includes(words));
  if (match) {
    pickedModel.value = match.id;
    saveSoon();
    showToast(t('The next message will use {0}.', match.name));
  } else modelPickerRequests.value += 1;
}

function toggleThinking(): void {
  thinking.value = !thinking.value;
  saveSoon();
  showToast(thinking.value ? t('Thinking is on.') : t('Thinking is off.'));
}

/** Returns suggestions for the text at the caret, best first. */
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
  return await suggestMentions(trigger.query);
}

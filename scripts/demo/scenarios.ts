import { readFile } from 'node:fs/promises';
import {
  type Block,
  type ClaudeRequest,
  type Pace,
  text,
  thinking,
  toolUse,
} from '../../test/support/claude/answer.ts';
import { model } from '../../test/support/claude/models.ts';
import { blocksOf } from '../../test/support/claude/request.ts';
import { any } from '../../test/support/claude/scenario.ts';
import { startClaude } from '../../test/support/claude/server.ts';

/*
 * A scripted tour of samples/todo, for a first look without an API key. Every answer was written by hand beforehand;
 * test/unit/claude-stand-in-demo.test.ts compares them with the files of the sample.
 */

/** One stop of the tour. */
export interface Stop {
  /** Prompts that the stop answers. The first one is suggested. */
  readonly prompts: readonly [string, ...string[]];
  /** Name of the file in `answers/`. */
  readonly answer: string;
  /** Suggested prompts for continuing. */
  readonly next: readonly string[];
  /** Tool calls before the answer, step by step. */
  readonly work?: readonly (readonly ToolCall[])[];
  /** Result of the last call for which the answer is true. */
  readonly after?: RegExp;
  /** Other possible results of the calls, with their answers. */
  readonly otherwise?: readonly Required<Pick<Stop, 'after' | 'answer' | 'next'>>[];
}

/** A tool call of the script. */
export interface ToolCall {
  readonly name: string;
  readonly input: object;
}

const tests: ToolCall = {
  name: 'run_code',
  input: {
    language: 'python',
    command: ['python3', '-m', 'unittest'],
    workspaceFiles: [
      ...['__init__', 'recurrence', 'storage', 'tasks'].map((name) => `todo/${name}.py`),
      ...['__init__', 'test_storage', 'test_tasks'].map((name) => `tests/${name}.py`),
    ],
  },
};

const repair: readonly (readonly ToolCall[])[] = [
  [
    { name: 'file_read', input: { path: 'todo/recurrence.py' } },
    { name: 'file_read', input: { path: 'todo/tasks.py' } },
  ],
  [
    {
      name: 'file_edit',
      input: {
        path: 'todo/recurrence.py',
        edits: [
          { oldText: 'from datetime import', newText: 'from calendar import monthrange\nfrom datetime import' },
          {
            oldText: `    """The same day of the next month."""
    if day.month == 12:
        return day.replace(year=day.year + 1, month=1)
    return day.replace(month=day.month + 1)
`,
            newText: `    """The same day of the next month, or its last day when it is shorter."""
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return day.replace(year=year, month=month, day=min(day.day, monthrange(year, month)[1]))
`,
          },
        ],
      },
    },
    {
      name: 'file_edit',
      input: {
        path: 'todo/tasks.py',
        edits: [
          {
            oldText: `        task.done = True
        if task.every is None or task.due is None:
            return None
        return self.add(task.title, next_due(task.due, task.every), task.every)
`,
            newText: `        due = next_due(task.due, task.every) if task.every and task.due else None
        task.done = True
        return self.add(task.title, due, task.every) if due else None
`,
          },
        ],
      },
    },
  ],
  [tests],
];

const allPass = /exit code 0 [\s\S]*Ran 8 tests[\s\S]*\nOK/;

/** The stops of the tour. */
export const tour: readonly Stop[] = [
  {
    prompts: [
      'Explain this project',
      'Explain the project',
      'Explain how this project is structured',
      'What is this project?',
      'What does this project do?',
    ],
    answer: 'explain',
    next: ['Run the tests', 'Find the bug', 'How does the web page show the list?'],
  },
  {
    prompts: [
      'Find the bug',
      'Find the bug in the selected code',
      'Which test fails?',
      'Why does the test fail?',
      'What is wrong?',
    ],
    answer: 'bug',
    next: ['Repair it for me', 'Fix the bug'],
  },
  {
    prompts: ['Run the tests', 'Run tests', 'Do the tests pass?', 'Test it'],
    answer: 'run',
    next: ['Find the bug', 'Repair it for me'],
    work: [[tests]],
    after:
      /exit code 1 [\s\S]*ERROR: test_rent_due_at_the_end_of_january_comes_back_in_february [\s\S]*Ran 8 tests[\s\S]*FAILED \(errors=1\)/,
    otherwise: [
      { after: allPass, answer: 'run-passed', next: ['What should I do next?', 'Walk me through every file'] },
    ],
  },
  {
    prompts: ['Repair it for me', 'Repair it', 'Repair the bug', 'Change the files'],
    answer: 'repair',
    next: ['Run the tests', 'What should I do next?'],
    work: repair,
    after: allPass,
  },
  {
    prompts: ['Fix the bug', 'Fix it', 'Fix the test', 'Fix the failing test'],
    answer: 'fix',
    next: ['Write tests for the fix', 'What should I do next?'],
  },
  {
    prompts: [
      'Write tests for the fix',
      'Write tests for the open file',
      'Write tests',
      'Add tests',
      'Add tests for the fix',
    ],
    answer: 'tests',
    next: ['What should I do next?', 'Walk me through every file'],
  },
  {
    prompts: ['How does the web page show the list?', 'Explain render.js', 'Explain web/render.js'],
    answer: 'web',
    next: ['Walk me through every file', 'Find the bug'],
  },
  {
    prompts: ['What should I do next?', 'What next?', 'What is worth doing next?'],
    answer: 'next',
    next: ['Walk me through every file', 'Fix the bug'],
  },
  {
    prompts: ['Walk me through every file', 'Review the code', 'Review this project'],
    answer: 'review',
    next: ['Fix the bug', 'What should I do next?'],
  },
];

const greetings = ['Hello', 'Hi', 'Help', 'What can you do?', 'What can I ask?'];

/** The only model of the demo. */
const demoModel = model({
  id: 'scripted-demo',
  name: 'Scripted demo (not AI)',
  created: '2026-11-22',
  line: null,
  thinking: 'both',
  input: 200_000,
  output: 64_000,
});

/** Pace of a fast model, approximately. */
const pace: Pace = { startDelayMs: 300, chunkChars: 14, chunksPerSecond: 50 };

/** Options of `startDemo`. */
export interface DemoOptions {
  /** Port on 127.0.0.1. Default: a free one. */
  readonly port?: number;
  /** Pace of the answers. Default: approximately that of a fast model. */
  readonly pace?: Pace;
}

/** Starts the demo on 127.0.0.1. It accepts any key and any model name. */
export async function startDemo(options: DemoOptions = {}): Promise<AsyncDisposable & { readonly url: string }> {
  const answers = await loadAnswers();
  const answer = (request: ClaudeRequest) => workFor(request) ?? answerTo(request, answers);
  return startClaude({
    port: options.port,
    pace: options.pace ?? pace,
    models: [demoModel],
    anyModelAs: demoModel,
    keepRequests: 10,
    scenarios: [{ match: any, answer }],
  });
}

/** Loads the thinking and the answer of each stop, by the name of the file. */
export async function loadAnswers(): Promise<ReadonlyMap<string, { thinking: string; text: string }>> {
  const names = tour.flatMap(({ answer, otherwise = [] }) => [answer, ...otherwise.map((other) => other.answer)]);
  const entries = names.map(async (answer) => {
    const source = await readFile(new URL(`answers/${answer}.md`, import.meta.url), 'utf8');
    const [thought = '', said = ''] = source.split('\n===\n', 2);
    return [answer, { thinking: thought.trim(), text: said.trim() }] as const;
  });
  return new Map(await Promise.all(entries));
}

/** Returns the final answer of the demo. It claims nothing about its tools that their results do not show. */
function answerTo(request: ClaudeRequest, answers: Awaited<ReturnType<typeof loadAnswers>>): readonly Block[] {
  const prompt = promptOf(request);
  const stop = stopOf(prompt);
  if (!stop) return [text(greetings.some((each) => plain(each) === plain(prompt)) ? welcome() : unknown())];
  if (!canWork(stop, request)) return [text(notHere(stop))];
  const { answer, next } = outcomeOf(stop, request) ?? {};
  const said = answers.get(answer ?? '');
  if (!said || !next) return [text(notAsExpected())];
  return [thinking(said.thinking), text(`${said.text}\n\n---\n\nTo go on, ask: ${next.map(quoted).join(' or ')}.`)];
}

/** Returns the answer that is true after the tool calls, or undefined if the script has none. */
function outcomeOf(stop: Stop, request: ClaudeRequest): Pick<Stop, 'answer' | 'next'> | undefined {
  if (!stop.work) return stop;
  const results = sinceAsked(request).flatMap(({ content }) =>
    blocksOf(content).filter((block) => block.type === 'tool_result'),
  );
  if (results.some((result) => result.is_error)) return undefined;
  const last = blocksOf(results.at(-1)?.content ?? '')
    .map((block) => (block.type === 'text' ? block.text : ''))
    .join('');
  return [stop, ...(stop.otherwise ?? [])].find(({ after }) => after?.test(last));
}

/** Returns whether the request offers the tools of the stop. */
function canWork({ work = [] }: Stop, { body }: ClaudeRequest): boolean {
  const offered = new Set((body.tools ?? []).map((tool) => ('name' in tool ? tool.name : '')));
  return work.flat().every(({ name }) => offered.has(name));
}

/** Returns the tool calls of the next step, or null if all were made or the tools are not offered. */
function workFor(request: ClaudeRequest): readonly Block[] | null {
  const stop = stopOf(promptOf(request));
  if (!stop?.work || !canWork(stop, request)) return null;
  const step = stop.work[sinceAsked(request).filter(({ role }) => role === 'assistant').length];
  return step ? step.map(({ name, input }) => toolUse(name, input)) : null;
}

function sinceAsked({ body: { messages } }: ClaudeRequest): ClaudeRequest['body']['messages'] {
  const asked = messages.findLastIndex(
    ({ role, content }) => role === 'user' && blocksOf(content).some(({ type }) => type === 'text'),
  );
  return messages.slice(asked + 1);
}

function stopOf(prompt: string): Stop | undefined {
  return tour.find(({ prompts }) => prompts.some((each) => plain(each) === plain(prompt)));
}

/** Returns the user's last text. Attachments come before it, as separate texts. */
function promptOf({ body }: ClaudeRequest): string {
  const texts = body.messages
    .filter(({ role }) => role === 'user')
    .flatMap(({ content }) => blocksOf(content).filter((block) => block.type === 'text'));
  return texts.at(-1)?.text ?? '';
}

/** Normalizes a prompt: case, punctuation and politeness do not matter. */
function plain(prompt: string): string {
  const words = prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.filter((word) => word !== 'please').join(' ');
}

function quoted(prompt: string): string {
  return `“${prompt}”`;
}

function prompts(): string {
  return tour.map((stop) => `- ${quoted(stop.prompts[0])}`).join('\n');
}

function welcome(): string {
  return `Hello. This is a **scripted demo, not AI**: every answer was written beforehand, about the sample project in this workspace. It shows how DevLM looks and feels before you add an API key.\n\nThese prompts have an answer:\n\n${prompts()}\n\nStop an answer, edit a message and send it again, or open the conversation in a second window: all of that is the real thing.`;
}

function unknown(): string {
  return `This is a scripted demo, not AI, and it has no answer to that. It read only the text of your message, and nothing left this machine.\n\nThese prompts have an answer:\n\n${prompts()}\n\nTo ask anything you like, add an API key.`;
}

function notHere({ work = [] }: Stop): string {
  const tools = [...new Set(work.flat().map(({ name }) => `\`${name}\``))].join(', ');
  return `**Nothing was run and nothing was changed.** This stop of the scripted demo works on the sample with ${tools}, which this window does not offer. In Restricted Mode DevLM only reads: choose **Restricted Mode** in the status bar, trust the folder, and ask again.`;
}

function notAsExpected(): string {
  return 'The results differ from what the script expects, and a scripted demo cannot interpret them. The cards above show what really happened: they come from the companion server, not from the script. If the sample was changed before, restore its files and ask again.';
}

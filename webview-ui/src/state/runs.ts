import {
  type Execution,
  type ExecutionEvent,
  type ExecutionOrigin,
  type ExecutionRecord,
  type Language,
  type OutputStream,
  outputOf,
  type SandboxStatus,
} from '@devlm/protocol/execution.ts';
import type { HostToPage } from '@devlm/protocol/page.ts';
import type { Problem } from '@devlm/protocol/problem.ts';
import { batch, computed, effect, type Signal, signal } from '@preact/signals';
import { newId } from '../ids.ts';
import { t } from '../l10n.ts';
import { transport } from '../transport.ts';
import { announcement, attempt, server } from './app.ts';
import { conversation, summary } from './conversation.ts';
import { appended, noOutput, type Output, PlainText } from './run-output.ts';
import { statusWords } from './run-words.ts';

/*
 * Programs of the open conversation that were run: by their place in it, so that what is shown of a
 * run outlives the code block that is shown with it.
 */

export type Engine = ExecutionRecord['engine'];

/** What is known of the newest run of one place. */
export interface Run {
  readonly id: string;
  readonly state: 'waiting' | 'running' | 'ended';
  /** Why it waits, and how far that is (0 to 1), where it is known. */
  readonly wait: { readonly message: string; readonly fraction: number | null } | null;
  /** When the program began, as far as this page knows; milliseconds since 1970. */
  readonly since: number;
  readonly engine: Engine;
  readonly output: Output;
  /** Its end; null before, and where it never came to one: `problem` says why. */
  readonly record: ExecutionRecord | null;
  readonly problem: Problem | null;
  /** The person has asked for its end. */
  readonly stopping: boolean;
}

/** A place where a program can be run, with what belongs to it. */
export interface RunPlace {
  readonly origin: ExecutionOrigin;
  readonly run: Signal<Run | null>;
  /** What the program is given to read. */
  readonly stdin: Signal<string>;
  readonly stdinShown: Signal<boolean>;
  /** False: the newest run was asked for elsewhere, and what it was given to read has not been asked for. */
  stdinKnown: boolean;
}

/** Shortest time from one painting of new output to the next. */
const foldMs = 80;
/** Longest text that a program is given to read. */
export const stdinChars = 200_000;

/** What can be run here; null until it is known. */
const sandbox = signal<SandboxStatus | null>(null);

let places = new Map<string, RunPlace>();
/** By the id of a run that this page follows. */
const followed = new Map<string, RunPlace>();
const texts = new Map<string, Record<OutputStream, PlainText>>();

/** The place of this name in the open conversation; null while none is open. */
export function runPlace(turnId: string, part: string): RunPlace | null {
  const conversationId = conversation.peek()?.id;
  return conversationId === undefined ? null : placeOf({ conversationId, turnId, part });
}

function placeOf(origin: ExecutionOrigin): RunPlace {
  const key = `${origin.turnId} ${origin.part}`;
  const known = places.get(key);
  if (known) return known;
  const place: RunPlace = { origin, run: signal(null), stdin: signal(''), stdinShown: signal(false), stdinKnown: true };
  places.set(key, place);
  return place;
}

/** Runs a program in the place of its code block. */
export function run(place: RunPlace, language: Language, source: string): void {
  if (isOpen(place.run.peek())) return;
  const id = newId();
  place.stdinKnown = true;
  begin(place, id);
  announcement.value = t('The program runs');
  const { origin, stdin } = place;
  transport.execute(id, {
    id,
    language,
    source,
    files: [],
    stdin: stdin.peek(),
    args: [],
    env: {},
    limits: {},
    network: 'none',
    reuse: false,
    // The extension asks the person, and says so to the server.
    acceptOpenNetwork: false,
    origin,
  });
}

/** Runs a program once more, with the input of the run before, wherever that was. */
export async function runAgain(place: RunPlace, language: Language, source: string): Promise<void> {
  const record = place.run.peek()?.record;
  if (!place.stdinKnown && record) {
    const hash = record.programHash;
    const stdin = await transport.call('snippets.get', { params: { hash } }).then(
      (snippet) => snippet.stdin,
      () => '',
    );
    if (!place.stdinKnown) setStdin(place, stdin.slice(0, stdinChars));
    if (stdin !== '') place.stdinShown.value = true;
  }
  run(place, language, source);
}

/** Changes what the program is given to read. */
export function setStdin(place: RunPlace, text: string): void {
  place.stdin.value = text;
  place.stdinKnown = true;
}

/** Ends a run. Its receipt still comes. */
export function stopRun(place: RunPlace): void {
  const current = place.run.peek();
  if (!isOpen(current)) return;
  change(place, { stopping: true });
  void attempt(async () => {
    try {
      await transport.call('executions.cancel', { params: { executionId: current.id } });
    } catch (error) {
      if (place.run.peek()?.id === current.id) change(place, { stopping: false });
      throw error;
    }
  });
}

/** All that the program printed, also what is not shown. */
export async function wholeOutput(place: RunPlace): Promise<{ stream: OutputStream; text: string }[]> {
  const id = place.run.peek()?.id;
  if (id === undefined) return [];
  const { record } = await transport.call('executions.get', { params: { executionId: id } });
  if (!record) return [];
  const plain = { stdout: new PlainText(), stderr: new PlainText() };
  return outputOf(record).map(({ stream, text }) => ({ stream, text: plain[stream].take(text) }));
}

type Message = Extract<HostToPage, { kind: 'execution' }>;
let queued: Message[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;
let lastFold = 0;

/** Takes what is heard of runs, and folds it together: the first of a pause and the last of a run at once. */
export function receiveExecution(message: Message): void {
  queued.push(message);
  const last = message.problem !== undefined || message.events.at(-1)?.type === 'ended';
  if (last || document.hidden) foldQueued();
  else timer ??= setTimeout(foldQueued, Math.max(0, lastFold + foldMs - performance.now()));
}

function foldQueued(): void {
  clearTimeout(timer);
  timer = undefined;
  lastFold = performance.now();
  const messages = queued;
  queued = [];
  batch(() => {
    for (const message of messages) fold(message);
  });
}

function fold({ id, restart, events, problem }: Message): void {
  const place = followed.get(id);
  const before = place?.run.peek();
  if (!place || before?.id !== id) return;
  if (restart) texts.delete(id);
  let now: Run = restart ? { ...before, output: noOutput } : before;
  for (const event of events) now = heard(now, event);
  if (problem) now = { ...now, state: 'ended', wait: null, stopping: false, problem };
  place.run.value = now;
  if (now.state === 'ended') over(now);
}

function heard(before: Run, event: ExecutionEvent): Run {
  switch (event.type) {
    case 'queued':
      return { ...before, wait: { message: t('Waiting for its turn ({0} before it)', event.before), fraction: null } };
    case 'preparing':
      return { ...before, wait: { message: event.message, fraction: event.fraction } };
    case 'started':
      return before.state === 'running'
        ? { ...before, engine: event.engine }
        : { ...before, state: 'running', wait: null, since: Date.now(), engine: event.engine };
    case 'output':
      return { ...before, output: appended(before.output, event.stream, plainText(before.id, event)) };
    case 'ended':
      return ended(before, event.record);
  }
}

function plainText(id: string, { stream, text }: { stream: OutputStream; text: string }): string {
  const known = texts.get(id) ?? { stdout: new PlainText(), stderr: new PlainText() };
  texts.set(id, known);
  return known[stream].take(text);
}

/** The record's own output counts where none was heard. */
function ended(before: Run, record: ExecutionRecord): Run {
  const { engine } = record;
  let { output } = before;
  if (output.chars === 0) {
    for (const piece of outputOf(record)) output = appended(output, piece.stream, plainText(before.id, piece));
  }
  // Its output is kept once.
  const receipt = { ...record, stdout: '', stderr: '', order: [] };
  return { ...before, state: 'ended', wait: null, stopping: false, engine, output, record: receipt, problem: null };
}

function over(now: Run): void {
  followed.delete(now.id);
  texts.delete(now.id);
  announcement.value = now.record
    ? t('The program has ended: {0}', statusWords(now.record))
    : t('The program did not run: {0}', now.problem?.detail ?? '');
  const kind = sandbox.peek()?.engine;
  if (now.engine && kind !== now.engine.kind) void readStatus();
}

/** A run ended, here or in another window. */
export function executionEnded(record: ExecutionRecord): void {
  const { origin } = record;
  if (origin?.conversationId !== conversation.peek()?.id || !origin) return;
  const place = placeOf(origin);
  const current = place.run.peek();
  // What is followed ends by its own events, the last of its output among them.
  if (current?.id === record.id ? followed.has(record.id) || current.record : isOpen(current)) return;
  if (current?.record && current.record.startedAt > record.startedAt) return;
  place.run.value = ended(blank(record.id), record);
  texts.delete(record.id);
  if (place.stdin.peek() === '') place.stdinKnown = false;
}

function begin(place: RunPlace, id: string): void {
  place.run.value = blank(id);
  followed.set(id, place);
}

function blank(id: string): Run {
  return {
    id,
    state: 'waiting',
    wait: null,
    since: Date.now(),
    engine: null,
    output: noOutput,
    record: null,
    problem: null,
    stopping: false,
  };
}

function change(place: RunPlace, news: Partial<Run>): void {
  const current = place.run.peek();
  if (current) place.run.value = { ...current, ...news };
}

/** Whether it has not ended. */
export function isOpen(run: Run | null): run is Run {
  return run !== null && run.state !== 'ended';
}

/** Reads which runs the open conversation has, and follows those that have not ended. */
async function readRuns(): Promise<void> {
  const conversationId = summary.peek()?.id;
  if (conversationId === undefined) return;
  try {
    const { items } = await transport.call('executions.list', { query: { conversationId } });
    if (conversation.peek()?.id !== conversationId) return;
    for (const { origin, execution } of items) take(origin, execution);
  } catch {
    // The conversation is shown without them; the next time that it is opened they are read again.
  }
}

function take(origin: ExecutionOrigin, { id, record }: Execution): void {
  if (record) {
    executionEnded(record);
    return;
  }
  const place = placeOf(origin);
  if (isOpen(place.run.peek())) return;
  begin(place, id);
  transport.execute(id);
}

/** Reads what can be run here. It does not start a server. */
async function readStatus(): Promise<void> {
  if (server.peek().state !== 'ready') return;
  try {
    sandbox.value = await transport.call('sandbox.status', {});
  } catch {
    // The first run says what is wrong.
  }
}

const openId = computed(() => (summary.value && summary.value.id === conversation.value?.id ? summary.value.id : null));
const serverReady = computed(() => server.value.state === 'ready');
/** Places belong to the conversation that is in the page, from its first message on. */
const shownId = computed(() => conversation.value?.id ?? null);

/** Keeps the runs those of the open conversation. */
export function watchRuns(): void {
  effect(() => {
    if (shownId.value === null) return;
    places = new Map([...places].filter(([, { origin }]) => origin.conversationId === shownId.value));
    for (const [id, { origin }] of followed) {
      if (origin.conversationId !== shownId.value) followed.delete(id);
    }
  });
  effect(() => {
    if (openId.value !== null && serverReady.value) void readRuns();
  });
  effect(() => {
    if (openId.value !== null && serverReady.value && sandbox.peek() === null) void readStatus();
  });
}

/** Whether a program in this language can be run, as far as it is known. */
export function canRun(language: Language): boolean {
  const row = sandbox.value?.languages.find((other) => other.language === language);
  return usual.has(language) || (row !== undefined && row.state !== 'unavailable');
}

/** Those that every kind of installation is meant to run; where one cannot, it says what to install. */
const usual: ReadonlySet<Language> = new Set(['python', 'javascript', 'typescript', 'go', 'ruby', 'bash']);

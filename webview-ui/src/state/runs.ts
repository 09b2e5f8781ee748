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
import { statusWords } from '@devlm/protocol/run-words.ts';
import { PlainText } from '@devlm/protocol/terminal-text.ts';
import { batch, computed, effect, type Signal, signal } from '@preact/signals';
import { newId } from '../ids.ts';
import { t } from '../l10n.ts';
import { transport } from '../transport.ts';
import { announcement, attempt, server } from './app.ts';
import { conversation, summary } from './conversation.ts';
import { appended, noOutput, type Output } from './run-output.ts';

/*
 * Program runs of the current conversation, by their place in it, so that a run outlives the code block that shows
 * it.
 */

/** The engine of a run. Null until it is known. */
export type Engine = ExecutionRecord['engine'];

/** The latest run of a place. */
export interface Run {
  readonly id: string;
  readonly state: 'waiting' | 'running' | 'ended';
  /** Why the run waits, and its progress (0 to 1) if known. */
  readonly wait: { readonly message: string; readonly fraction: number | null } | null;
  /** Start of the program as observed by this page, in milliseconds since 1970. */
  readonly since: number;
  readonly engine: Engine;
  readonly output: Output;
  /** The record of a completed run. Null before the end, or if there is none; `problem` then says why. */
  readonly record: ExecutionRecord | null;
  readonly problem: Problem | null;
  /** Whether the user has stopped the run. */
  readonly stopping: boolean;
}

/** A place where a program can be run, with its state. */
export interface RunPlace {
  readonly origin: ExecutionOrigin;
  readonly run: Signal<Run | null>;
  /** Standard input of the program. */
  readonly stdin: Signal<string>;
  readonly stdinShown: Signal<boolean>;
  /** False if the latest run was started elsewhere, and its input has not been loaded. */
  stdinKnown: boolean;
}

/** Minimum time between updates with new output, in milliseconds. */
const foldIntervalMs = 80;
/** Maximum length of the standard input, in UTF-16 code units. */
export const stdinChars = 200_000;

/** Status of the sandbox. Null until it is known. */
const sandbox = signal<SandboxStatus | null>(null);

let places = new Map<string, RunPlace>();
/** Places of the runs that this page follows, by run id. */
const followed = new Map<string, RunPlace>();
const textFilters = new Map<string, Record<OutputStream, PlainText>>();

/** Returns a place in the current conversation, or null if there is none. */
export function runPlace(turnId: string, part: string): RunPlace | null {
  const conversationId = conversation.peek()?.id;
  return conversationId === undefined ? null : placeOf({ conversationId, turnId, part });
}

function placeOf(origin: ExecutionOrigin): RunPlace {
  const key = `${origin.turnId} ${origin.part}`;
  const existing = places.get(key);
  if (existing) return existing;
  const place: RunPlace = { origin, run: signal(null), stdin: signal(''), stdinShown: signal(false), stdinKnown: true };
  places.set(key, place);
  return place;
}

/** Runs a program in the place of its code block. */
export function run(place: RunPlace, language: Language, source: string): void {
  if (isRunOpen(place.run.peek())) return;
  const id = newId();
  place.stdinKnown = true;
  begin(place, id);
  announcement.value = t('The program is running');
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
    // The extension asks the user, and adds the answer to the request.
    acceptOpenNetwork: false,
    origin,
  });
}

/** Runs a program again with the input of the previous run, which may have been started elsewhere. */
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

/** Sets the standard input of the program. */
export function setStdin(place: RunPlace, text: string): void {
  place.stdin.value = text;
  place.stdinKnown = true;
}

/** Stops a run. Its record still arrives. */
export function stopRun(place: RunPlace): void {
  const current = place.run.peek();
  if (!isRunOpen(current)) return;
  update(place, { stopping: true });
  void attempt(async () => {
    try {
      await transport.call('executions.cancel', { params: { executionId: current.id } });
    } catch (error) {
      if (place.run.peek()?.id === current.id) update(place, { stopping: false });
      throw error;
    }
  });
}

/** Returns the whole output of the program, including what is not shown. */
export async function wholeOutput(place: RunPlace): Promise<{ stream: OutputStream; text: string }[]> {
  const id = place.run.peek()?.id;
  if (id === undefined) return [];
  const { record } = await transport.call('executions.get', { params: { executionId: id } });
  if (!record) return [];
  const filters = { stdout: new PlainText(), stderr: new PlainText() };
  return outputOf(record).map(({ stream, text }) => ({ stream, text: filters[stream].take(text) }));
}

type ExecutionMessage = Extract<HostToPage, { kind: 'execution' }>;
let queued: ExecutionMessage[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;
let lastFold = 0;

/**
 * Receives events of runs and folds them in batches. The first one after a pause and the last one of a run are folded
 * at once.
 */
export function receiveExecution(message: ExecutionMessage): void {
  queued.push(message);
  const isLast = message.problem !== undefined || message.events.at(-1)?.type === 'ended';
  if (isLast || document.hidden) foldQueued();
  else timer ??= setTimeout(foldQueued, Math.max(0, lastFold + foldIntervalMs - performance.now()));
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

function fold({ id, restart, events, problem }: ExecutionMessage): void {
  const place = followed.get(id);
  const before = place?.run.peek();
  if (!place || before?.id !== id) return;
  if (restart) textFilters.delete(id);
  let next: Run = restart ? { ...before, output: noOutput } : before;
  for (const event of events) next = applyRunEvent(next, event);
  if (problem) next = { ...next, state: 'ended', wait: null, stopping: false, problem };
  place.run.value = next;
  if (next.state === 'ended') finish(next);
}

function applyRunEvent(before: Run, event: ExecutionEvent): Run {
  switch (event.type) {
    case 'queued':
      return { ...before, wait: { message: t('Waiting in the queue ({0} ahead)', event.before), fraction: null } };
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
  const filters = textFilters.get(id) ?? { stdout: new PlainText(), stderr: new PlainText() };
  textFilters.set(id, filters);
  return filters[stream].take(text);
}

/** Ends a run. Uses the output in the record if no output was received. */
function ended(before: Run, record: ExecutionRecord): Run {
  const { engine } = record;
  let { output } = before;
  if (output.chars === 0) {
    for (const piece of outputOf(record)) output = appended(output, piece.stream, plainText(before.id, piece));
  }
  // The output is already in `output`.
  const receipt = { ...record, stdout: '', stderr: '', order: [] };
  return { ...before, state: 'ended', wait: null, stopping: false, engine, output, record: receipt, problem: null };
}

function finish(finished: Run): void {
  followed.delete(finished.id);
  textFilters.delete(finished.id);
  announcement.value = finished.record
    ? t('The program has ended: {0}', statusWords(finished.record, t))
    : t('The program did not run: {0}', finished.problem?.detail ?? '');
  const kind = sandbox.peek()?.engine;
  if (finished.engine && kind !== finished.engine.kind) void readStatus();
}

/** Handles a run that has ended, here or in another window. */
export function executionEnded(record: ExecutionRecord): void {
  const { origin } = record;
  if (origin?.conversationId !== conversation.peek()?.id || !origin) return;
  const place = placeOf(origin);
  const current = place.run.peek();
  // A followed run ends by its own events, which include the last of its output.
  if (current?.id === record.id ? followed.has(record.id) || current.record : isRunOpen(current)) return;
  if (current?.record && current.record.startedAt > record.startedAt) return;
  place.run.value = ended(blank(record.id), record);
  textFilters.delete(record.id);
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

function update(place: RunPlace, changes: Partial<Run>): void {
  const current = place.run.peek();
  if (current) place.run.value = { ...current, ...changes };
}

/** Returns whether a run has not ended. */
export function isRunOpen(run: Run | null): run is Run {
  return run !== null && run.state !== 'ended';
}

/** Loads the runs of the current conversation, and follows those that have not ended. */
async function readRuns(): Promise<void> {
  const conversationId = summary.peek()?.id;
  if (conversationId === undefined) return;
  try {
    const { items } = await transport.call('executions.list', { query: { conversationId } });
    if (conversation.peek()?.id !== conversationId) return;
    for (const { origin, execution } of items) addRun(origin, execution);
  } catch {
    // The conversation is shown without its runs. They are loaded when it is opened again.
  }
}

function addRun(origin: ExecutionOrigin, { id, record }: Execution): void {
  if (record) {
    executionEnded(record);
    return;
  }
  const place = placeOf(origin);
  if (isRunOpen(place.run.peek())) return;
  begin(place, id);
  transport.execute(id);
}

/** Loads the status of the sandbox. Does not start a server. */
async function readStatus(): Promise<void> {
  if (server.peek().state !== 'ready') return;
  try {
    sandbox.value = await transport.call('sandbox.status', {});
  } catch {
    // The first run reports the problem.
  }
}

const openId = computed(() => (summary.value && summary.value.id === conversation.value?.id ? summary.value.id : null));
const serverReady = computed(() => server.value.state === 'ready');
/** Id of the conversation in the page, from its first message on, to which places belong. */
const shownId = computed(() => conversation.value?.id ?? null);

/** Keeps the runs in sync with the current conversation. */
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

/** Returns whether programs in this language can be run, as far as is known. */
export function canRun(language: Language): boolean {
  const row = sandbox.value?.languages.find((candidate) => candidate.language === language);
  return commonLanguages.has(language) || (row !== undefined && row.state !== 'unavailable');
}

/** Languages that every installation should run. If one cannot, it reports what to install. */
const commonLanguages: ReadonlySet<Language> = new Set(['python', 'javascript', 'typescript', 'go', 'ruby', 'bash']);

import type { ExecutionRecord } from '@devlm/protocol/execution.ts';
import { peakMemory, runTime, runtimeOf, statusWords } from '@devlm/protocol/run-words.ts';
import { t } from '../l10n.ts';
import { type Output, outputText } from './run-output.ts';

/** Maximum output in a message that asks for a fix, in UTF-16 code units. */
const maxSentChars = 8_000;

/** Returns whether another version of the program may succeed. */
export function isMendable({ status }: ExecutionRecord): boolean {
  return status === 'failed' || status === 'timeout' || status === 'out-of-memory' || status === 'output-limit';
}

/** Returns time, memory and engine of a completed run. */
export function runFacts(record: ExecutionRecord): string[] {
  const { wallMs, peakMemoryBytes } = record;
  if (!record.engine) return [];
  return [
    runTime(wallMs, t),
    ...(peakMemoryBytes === null ? [] : [peakMemory(peakMemoryBytes, t)]),
    engineName(record),
  ];
}

/** Returns the short name of the engine and its runtime. */
function engineName({ engine, image }: Pick<ExecutionRecord, 'engine' | 'image'>): string {
  if (!engine) return '';
  if (engine.kind === 'docker') return t('Docker, {0}', image?.name ?? engine.runtime);
  const runtime = runtimeOf(engine);
  return runtime === null ? t('Embedded engine') : t('Embedded engine, {0}', runtime);
}

/** Returns all details of a run, one per line. */
export function receiptDetails(record: ExecutionRecord): string[] {
  const { command, limits, cpuMs, queuedMs, engine, image, inputHash, startedAt } = record;
  const runtime = engine && runtimeOf(engine);
  const lines = [
    command.join(' '),
    t('Started: {0}', new Date(startedAt).toLocaleString()),
    t('Time in queue: {0}', runTime(queuedMs, t)),
    ...(cpuMs === null ? [] : [t('CPU time: {0}', runTime(cpuMs, t))]),
    t('Limits: {0} MB, {1} CPUs, {2} s', limits.memoryMb, limits.cpus, limits.wallMs / 1000),
    ...(runtime === null ? [] : [t('Runtime: {0}', runtime)]),
    ...(image ? [t('Image: {0}', `${image.name}@${image.digest}`)] : []),
    t('Input hash: {0}', inputHash),
  ];
  return lines.filter((line) => line !== '');
}

/** Returns a message that asks for a fix of a failed program: its beginning, its end and its output, shortened. */
export function fixMessage(language: string, code: string, stdin: string, record: ExecutionRecord, output: Output) {
  const first = code.split('\n').find((line) => line.trim() !== '') ?? '';
  const text = outputText(output, gapWords).trimEnd();
  const sections = [
    t(
      'I ran the {0} program that begins with {1}. Result: {2}. Please fix it.',
      language,
      inline(first),
      ending(record),
    ),
    stdin === '' ? '' : `${t('Input:')}\n\n${fenced(middleCut(stdin, maxSentChars / 4))}`,
    text === '' ? t('The program printed nothing.') : `${t('Output:')}\n\n${fenced(middleCut(text, maxSentChars))}`,
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

function ending(record: ExecutionRecord): string {
  const words = statusWords(record, t);
  return record.message === null ? words : `${words} (${record.message.replace(/[.\s]+$/, '')})`;
}

/** Returns the text in place of omitted output. */
export function gapWords(chars: number): string {
  return t('[{0} characters omitted]', chars.toLocaleString());
}

/** Shortens a long text in the middle, keeping more of the end, where errors usually are. */
function middleCut(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const head = Math.floor(maxChars / 4);
  return `${text.slice(0, head)}\n${gapWords(text.length - maxChars)}\n${text.slice(head - maxChars)}`;
}

/** Formats a line as inline code, with more backticks around it than it contains. */
function inline(line: string): string {
  const marks = marksAround(line.trim().slice(0, 120), 1);
  return `${marks}${line.trim().slice(0, 120)}${marks}`;
}

function fenced(text: string): string {
  const marks = marksAround(text, 3);
  return `${marks}text\n${text}\n${marks}`;
}

function marksAround(text: string, min: number): string {
  const longest = (text.match(/`+/g) ?? []).reduce((max, marks) => Math.max(max, marks.length), min - 1);
  return '`'.repeat(longest + 1);
}

import type { BlockState } from '@devlm/protocol/state.ts';
import { t } from '../l10n.ts';
import { type Fields, partialFields } from './partial-json.ts';
import { oneLine } from './shown-text.ts';

/** A one-line description of a call. The values come from the model and are plain text. */
export interface ToolWords {
  readonly verb: string;
  /** The object of the call. May be empty while the input arrives. */
  readonly about: string;
  /** Whether `about` is code or a path. */
  readonly code?: boolean;
  readonly note?: string;
}

const maxAboutChars = 200;

/** Returns the fields of a call's input that have arrived. */
function inputFields(block: BlockState): Fields {
  const cached = fieldsByBlock.get(block);
  if (cached) return cached;
  const fields = partialFields(block.text);
  fieldsByBlock.set(block, fields);
  return fields;
}
/** Parsed fields by block. Blocks are immutable: a new state is a new object. */
const fieldsByBlock = new WeakMap<BlockState, Fields>();

/** Describes a tool call in the user's language. An unknown tool is shown by its name. */
export function toolWords(block: BlockState): ToolWords {
  const name = block.tool?.name ?? '';
  const fields = inputFields(block);
  const words = Object.hasOwn(describers, name) ? describers[name]?.(fields) : undefined;
  return words ?? { verb: name === '' ? t('Tool') : oneLine(name, 80), about: firstText(fields) };
}

const describers: Readonly<Record<string, (fields: Fields) => ToolWords>> = {
  file_read: (fields) => ({ verb: t('Read'), ...path(fields), note: lines(fields) }),
  file_write: (fields) => ({ verb: t('Write'), ...path(fields) }),
  file_edit: (fields) => ({ verb: t('Edit'), ...path(fields) }),
  apply_patch: (fields) => ({ verb: t('Edit'), about: patchedFiles(fields.get('patch')), code: true }),
  file_list: (fields) => ({ verb: t('List files'), ...path(fields) }),
  file_search: (fields) => ({
    verb: t('Search files for'),
    about: text(fields, 'pattern', 'query', 'regex'),
    code: true,
    note: text(fields, 'path', 'include') && t('in {0}', text(fields, 'path', 'include')),
  }),
  symbol_search: (fields) => ({ verb: t('Find symbol'), about: text(fields, 'query', 'name', 'symbol'), code: true }),
  diagnostics: (fields) => ({ verb: t('Check problems'), ...path(fields) }),
  run_code: (fields) => ({
    verb: t('Run'),
    about: text(fields, 'language'),
    note: program(fields.get('command')) || text(fields, 'entry'),
  }),
  run_command: (fields) => ({
    verb: fields.get('rehearse') === true ? t('Rehearse') : t('Run'),
    about: text(fields, 'command'),
    code: true,
    note: text(fields, 'cwd') && t('in {0}', text(fields, 'cwd')),
  }),
  check_tests: (fields) => ({
    verb: t('Run tests'),
    about: text(fields, 'tests'),
    code: true,
    note: text(fields, 'framework'),
  }),
  propose: () => ({ verb: t('Make a proposal'), about: '' }),
  command_control: (fields) => ({ verb: control(fields.get('action')), about: text(fields, 'text', 'id'), code: true }),
  web_search: (fields) => ({ verb: t('Search the web for'), about: text(fields, 'query') }),
  web_fetch: (fields) => ({ verb: t('Fetch'), about: text(fields, 'url') }),
  ask_user: (fields) => ({ verb: t('Ask you'), about: text(fields, 'question') }),
  update_plan: () => ({ verb: t('Update the plan'), about: '' }),
};

function control(action: unknown): string {
  switch (action) {
    case 'write':
      return t('Send input to a command');
    case 'stop':
      return t('Stop a command');
    case 'restart':
      return t('Restart a command');
    default:
      return t('Read command output');
  }
}

/** Returns the first of these fields that is a string or a list of strings, or an empty string. */
function text(fields: Fields, ...names: readonly string[]): string {
  for (const name of names) {
    const value = fields.get(name);
    const words = Array.isArray(value) ? value.filter((part) => typeof part === 'string').join(', ') : value;
    if (typeof words === 'string' && words !== '') return oneLine(words, maxAboutChars);
  }
  return '';
}

function path(fields: Fields): Pick<ToolWords, 'about' | 'code'> {
  return { about: text(fields, 'path', 'paths', 'file', 'folder'), code: true };
}

function lines(fields: Fields): string | undefined {
  const first = number(fields, 'startLine', 'start_line', 'start', 'offset', 'from');
  const last = number(fields, 'endLine', 'end_line', 'end', 'to');
  if (first !== undefined && last !== undefined) return t('lines {0}–{1}', first, last);
  if (first !== undefined) return t('from line {0}', first);
  return last === undefined ? undefined : t('lines {0}–{1}', 1, last);
}

function number(fields: Fields, ...names: readonly string[]): number | undefined {
  const value = names.map((name) => fields.get(name)).find((found) => typeof found === 'number');
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** Joins a command that is a list of words. */
function program(words: unknown): string {
  return Array.isArray(words) ? oneLine(words.filter((word) => typeof word === 'string').join(' '), maxAboutChars) : '';
}

/** Returns the files that a patch names. */
function patchedFiles(patch: unknown): string {
  if (typeof patch !== 'string') return '';
  const names = [...patch.matchAll(/(?:\*\*\* (?:Update|Add|Delete) File: |\+\+\+ (?:b\/)?)(\S+)/g)].map(
    ([, name]) => name,
  );
  return oneLine([...new Set(names)].join(', '), maxAboutChars);
}

/** Returns the first string of an unknown tool's input. */
function firstText(fields: Fields): string {
  for (const value of fields.values())
    if (typeof value === 'string' && value !== '') return oneLine(value, maxAboutChars);
  return '';
}

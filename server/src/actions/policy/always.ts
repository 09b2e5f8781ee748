import { AlwaysRule, type Rule, type Rules } from '@devlm/protocol/permissions.ts';
import { type Action, decide, type PolicyState } from './rules.ts';

/**
 * Commands whose further words only choose what is built, tested or checked. Of any other command a rule is for
 * those very words: more of them could make it delete or send something. `*` stands for one word.
 */
const choosers: readonly (readonly string[])[] = [
  'npm test',
  'npm run *',
  'pnpm test',
  'pnpm run *',
  'yarn test',
  'yarn run *',
  'bun test',
  'npx tsc',
  'npx vitest',
  'npx jest',
  'npx eslint',
  'tsc',
  'vitest',
  'jest',
  'eslint',
  'pytest',
  'python -m pytest',
  'python3 -m pytest',
  'mypy',
  'ruff check',
  'cargo build',
  'cargo check',
  'cargo test',
  'cargo clippy',
  'go build',
  'go test',
  'go vet',
  'dotnet build',
  'dotnet test',
  'rspec',
  'bundle exec rspec',
].map((words) => words.split(' '));

/**
 * The narrowest rule of the person's settings that would let an action through without a question. Null where
 * nothing can be allowed for good, or where one rule would not do it: what always asks, what untrusted text may
 * have asked for, what writes or runs in ways that cannot be seen beforehand.
 */
export function alwaysRule(action: Action, rules: { user: Rules; workspace: Rules }, state: PolicyState): Rule | null {
  const { verdict, parts } = decide(action, rules, state);
  const asking = parts.filter((part) => part.verdict !== 'allow');
  // Who asks by a rule of their own wants to be asked.
  if (verdict !== 'ask' || asking.some(({ by }) => by !== 'default')) return null;
  const asked = new Set(asking.map(({ what }) => what));
  const conditions = conditionsOf(action, asked);
  const rule = conditions && AlwaysRule.safeParse({ verdict: 'allow', tool: action.tool, ...conditions }).data;
  if (!rule) return null;
  const then = decide(action, { ...rules, user: [...rules.user, rule] }, state);
  return then.verdict === 'allow' ? rule : null;
}

function conditionsOf(
  { effect, command, hosts, paths }: Action,
  asked: ReadonlySet<string>,
): Pick<Rule, 'path' | 'command' | 'exact' | 'host'> | null {
  if (command) {
    const [first, ...others] = command.commands.filter(({ text }) => asked.has(text)).map(({ argv }) => argv);
    if (!first || others.length > 0 || command.redirects.length > 0 || command.unknown.length > 0) return null;
    return commandCondition(first);
  }
  if (effect === 'external') return asked.size === 1 && !hosts && !paths ? {} : null;
  const [only, ...more] = asked;
  if (only === undefined) return null;
  if (effect === 'fetch') return more.length === 0 ? { host: only } : null;
  return effect === 'write' ? pathCondition([only, ...more]) : null;
}

function commandCondition(argv: readonly (string | null)[]): Pick<Rule, 'command' | 'exact'> | null {
  const words = argv.flatMap((word) => (word !== null && /^[^\s]+$/.test(word) ? [word] : []));
  if (words.length !== argv.length) return null;
  const known = choosers.find((chooser) =>
    chooser.every((word, index) => (word === '*' ? /^[\w:.-]+$/.test(words[index] ?? '') : word === words[index])),
  );
  if (known) return { command: words.slice(0, known.length).join(' ') };
  return { command: words.join(' '), exact: true };
}

/** The files of one folder, or at the top the one file. */
function pathCondition(paths: readonly string[]): Pick<Rule, 'path'> | null {
  const folders = new Set(paths.map((path) => path.slice(0, Math.max(0, path.lastIndexOf('/')))));
  const [folder = ''] = folders;
  if (folders.size !== 1 || paths.some((path) => /[*?]/.test(path))) return null;
  if (folder !== '') return { path: `${folder}/*` };
  return paths.length === 1 && paths[0] !== undefined ? { path: paths[0] } : null;
}

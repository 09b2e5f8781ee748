import { AlwaysRule, type Rule, type Rules } from '@devlm/protocol/permissions.ts';
import { type Action, decide, type PolicyState } from './rules.ts';

/**
 * Commands whose further words only select what is built, tested or checked. A rule for any other command covers
 * exactly its words, because more words could make it delete or send something. `*` stands for one word.
 */
const selectorCommands: readonly (readonly string[])[] = [
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
 * Returns the narrowest rule in the user's settings that would allow an action without a question. Returns null if no
 * rule or more than one would be needed, which includes actions that always require a question, that untrusted text may
 * have caused, or whose writes and effects cannot be known beforehand.
 */
export function alwaysRule(action: Action, rules: { user: Rules; workspace: Rules }, state: PolicyState): Rule | null {
  const { verdict, parts } = decide(action, rules, state);
  const asking = parts.filter((part) => part.verdict !== 'allow');
  // A user whose own rule says "ask" wants to be asked.
  if (verdict !== 'ask' || asking.some(({ by }) => by !== 'default')) return null;
  const asked = new Set(asking.map(({ what }) => what));
  const conditions = conditionsOf(action, asked);
  const rule = conditions && AlwaysRule.safeParse({ verdict: 'allow', tool: action.tool, ...conditions }).data;
  if (!rule) return null;
  const decision = decide(action, { ...rules, user: [...rules.user, rule] }, state);
  return decision.verdict === 'allow' ? rule : null;
}

function conditionsOf(
  { effect, command, hosts, paths }: Action,
  asked: ReadonlySet<string>,
): Pick<Rule, 'path' | 'command' | 'exact' | 'host'> | null {
  if (command) {
    const [first, ...rest] = command.commands.filter(({ text }) => asked.has(text)).map(({ argv }) => argv);
    if (!first || rest.length > 0 || command.redirects.length > 0 || command.unknown.length > 0) return null;
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
  const known = selectorCommands.find((selector) =>
    selector.every((word, index) => (word === '*' ? /^[\w:.-]+$/.test(words[index] ?? '') : word === words[index])),
  );
  if (known) return { command: words.slice(0, known.length).join(' ') };
  return { command: words.join(' '), exact: true };
}

/**
 * Returns a condition for all files in the folder of a file, or, for a file at the top of the workspace, for that file
 * only.
 */
function pathCondition(paths: readonly string[]): Pick<Rule, 'path'> | null {
  const folders = new Set(paths.map((path) => path.slice(0, Math.max(0, path.lastIndexOf('/')))));
  const [folder = ''] = folders;
  if (folders.size !== 1 || paths.some((path) => /[*?]/.test(path))) return null;
  if (folder !== '') return { path: `${folder}/*` };
  return paths.length === 1 && paths[0] !== undefined ? { path: paths[0] } : null;
}

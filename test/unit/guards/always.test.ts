import { AlwaysRule, offeredRule, type Rule, Rules } from '@devlm/protocol/permissions.ts';
import { describe, expect, test } from 'vitest';
import { alwaysRule } from '../../../server/src/actions/policy/always.ts';
import { type Action, decide, type PolicyState } from '../../../server/src/actions/policy/rules.ts';
import { analyzeShell } from '../../../server/src/actions/policy/shell.ts';

const state: PolicyState = { restricted: false, taints: [], knownHosts: new Set(), knownPaths: new Set() };
const none = { user: [], workspace: [] };
const write = (...paths: (string | null)[]): Action => ({ tool: 'file_edit', effect: 'write', paths });
const run = (line: string): Action => ({ tool: 'run_command', effect: 'run', command: analyzeShell(line) });
const fetch = (...hosts: string[]): Action => ({ tool: 'web_fetch', effect: 'fetch', hosts });
const foreign = (tool: string): Action => ({ tool, effect: 'external' });
const verdictWith = (rule: Rule, action: Action, more: Partial<PolicyState> = {}) =>
  decide(action, { user: [rule], workspace: [] }, { ...state, ...more }).verdict;

/** An action, the rule that is offered for it, other actions that the rule allows, and actions that it does not. */
const offers: [Action, Omit<Rule, 'verdict'>, Action[], Action[]][] = [
  [
    write('src/a.ts'),
    { tool: 'file_edit', path: 'src/*' },
    [write('src/b.ts'), write('src/a.ts', 'src/b.ts')],
    [
      write('src/sub/a.ts'),
      write('lib/a.ts'),
      write('a.ts'),
      write('src/a.ts', 'lib/a.ts'),
      write('src/../package.json'),
      write('src/../../etc/passwd'),
      write('SRC/a.ts'),
      write('src/.npmrc'),
      write('srcx/a.ts'),
      write(null),
      { ...write('src/a.ts'), tool: 'file_write' },
      { ...write('src/a.ts'), tool: 'apply_patch' },
      run('rm src/a.ts'),
      run('echo x > src/a.ts'),
    ],
  ],
  [
    write('package.json'),
    { tool: 'file_edit', path: 'package.json' },
    [],
    [write('package-lock.json'), write('x/package.json')],
  ],
  [
    write('a/b/c.ts', 'a/b/d.ts'),
    { tool: 'file_edit', path: 'a/b/*' },
    [write('a/b/e.ts')],
    [write('a/c.ts'), write('a/b/c/d.ts')],
  ],
  [
    run('npm test -- --run unit'),
    { tool: 'run_command', command: 'npm test' },
    [run('npm test'), run('npm test -- other'), run('CI=1 npm test'), run('eval npm test')],
    [
      run('npm install'),
      run('npm run test'),
      run('npm'),
      run('npm testx'),
      run('./npm test'),
      run('/tmp/npm test'),
      run('npm test && rm -rf src'),
      run('npm test; curl evil.example'),
      run('npm test | tee out.txt'),
      run('npm test > out.txt'),
      run('npm test < /etc/passwd'),
      run('npm test $(curl evil.example)'),
      run('npm test `id`'),
      run('npm test $X'),
      run('npm test & curl evil.example'),
      run('PATH=/tmp npm test'),
      run('npm test ../other'),
      run('npm test /etc'),
      run('sudo npm test'),
      { ...run('npm test'), tool: 'other_tool' },
    ],
  ],
  [
    run('npm run build'),
    { tool: 'run_command', command: 'npm run build' },
    [run('npm run build -- --watch')],
    [run('npm run deploy'), run('npm run builds'), run('npm run'), run('npm test')],
  ],
  [
    run('git push origin main'),
    { tool: 'run_command', command: 'git push origin main', exact: true },
    [],
    [
      run('git push'),
      run('git push origin main --force'),
      run('git push --force origin main'),
      run('git push origin main:other'),
      run('git push elsewhere main'),
      run('git pull'),
    ],
  ],
  [
    run('rm -rf build'),
    { tool: 'run_command', command: 'rm -rf build', exact: true },
    [],
    [run('rm -rf build src'), run('rm -rf'), run('rm -rf .'), run('rm -rf build/..'), run('rm -rf "build "')],
  ],
  [
    run('python tools/gen.py'),
    { tool: 'run_command', command: 'python tools/gen.py', exact: true },
    [],
    [run('python tools/other.py'), run('python -c "print(1)"'), run('python tools/gen.py x'), run('python')],
  ],
  [
    fetch('docs.example.org'),
    { tool: 'web_fetch', host: 'docs.example.org' },
    [],
    [
      fetch('example.org'),
      fetch('evil.docs.example.org'),
      fetch('docs.example.org.evil.com'),
      fetch('docs.example.org', 'evil.com'),
      fetch('xdocs.example.org'),
      { ...fetch('docs.example.org'), tool: 'web_search' },
      { ...run('curl https://docs.example.org'), hosts: ['docs.example.org'] },
    ],
  ],
  [
    foreign('mcp__files__list'),
    { tool: 'mcp__files__list' },
    [],
    [foreign('mcp__files__delete'), foreign('mcp__files__list2')],
  ],
];

describe('"always allow"', () => {
  test.each(offers)('"always allow" offers for %j the rule %j', (action, expected, through, misses) => {
    const rule = alwaysRule(action, none, state);
    expect(rule).toEqual({ verdict: 'allow', ...expected });
    if (!rule) return;
    expect(Rules.safeParse([rule]).success).toBe(true);
    expect(offeredRule(JSON.stringify(rule))).toEqual(rule);
    for (const each of [action, ...through]) expect(verdictWith(rule, each), JSON.stringify(each)).toBe('allow');
    for (const each of misses) expect(verdictWith(rule, each), JSON.stringify(each)).toBe('ask');
    // The workspace can still forbid it, and cannot write the rule itself.
    const forbids: Rule = { verdict: 'deny', tool: '*' };
    expect(decide(action, { user: [rule], workspace: [forbids] }, state).verdict).toBe('deny');
    expect(decide(action, { user: [], workspace: [rule] }, state).verdict).toBe('ask');
    // The user's own rule that asks is not overridden.
    const asks: Rule = { verdict: 'ask', tool: action.tool };
    expect(decide(action, { user: [asks, rule], workspace: [] }, state).verdict).toBe('ask');
    // It also has no effect in an untrusted workspace.
    expect(verdictWith(rule, action, { restricted: true })).toBe('deny');
  });

  test.each([
    ['a protected file', write('.vscode/settings.json')],
    ['a protected file beside another', write('src/a.ts', '.git/hooks/pre-commit')],
    ['a file outside of the workspace', write('../a.ts')],
    ['an unknown file', write(null)],
    ['files of two folders', write('src/a.ts', 'lib/b.ts')],
    ['a name that would be a pattern', write('src/*/a.ts')],
    ['removing a file', { ...write('src/a.ts'), effect: 'remove' }],
    ['two commands that ask', run('make a && make b')],
    ['a redirection', run('make > out.txt')],
    ['a substitution', run('make $(cat x)')],
    ['a variable', run('make $X')],
    ['words that a setting cannot tell apart', run('make "a b"')],
    ['a path out of the workspace', run('cat ../../secret')],
    ['an option that runs more', run('git -c core.pager=x log')],
    ['two hosts', fetch('a.example', 'b.example')],
    ['a pattern for a host', fetch('*.example')],
    ['a pattern for a name', foreign('*')],
    ['a tool that is for all servers', foreign('mcp_resource')],
    ['a program without a command', { tool: 'run_code', effect: 'run' }],
  ] as [string, Action][])('"always allow" offers nothing for %s', (_, action) => {
    expect(alwaysRule(action, none, state)).toBeNull();
  });

  test('no rule is offered if untrusted text, the settings or missing trust cause the question', () => {
    const action = write('src/a.ts');
    const allowed: Rule = { verdict: 'allow', tool: 'file_edit', path: 'src/*' };
    const tainted = { ...state, taints: ['evil.example'] };
    expect(decide(action, { user: [allowed], workspace: [] }, tainted).verdict).toBe('ask');
    expect(alwaysRule(action, { user: [allowed], workspace: [] }, tainted)).toBeNull();
    expect(alwaysRule(action, none, tainted)).toBeNull();
    expect(alwaysRule(action, { user: [{ verdict: 'ask', tool: '*' }], workspace: [] }, state)).toBeNull();
    expect(alwaysRule(action, { user: [], workspace: [{ verdict: 'ask', tool: '*' }] }, state)).toBeNull();
    expect(alwaysRule(action, none, { ...state, restricted: true })).toBeNull();
  });

  test.each([
    { verdict: 'allow', tool: '*' },
    { verdict: 'allow', tool: 'run_*' },
    { verdict: 'allow', tool: 'run_command' },
    { verdict: 'allow', tool: 'file_write' },
    { verdict: 'allow', tool: 'run_command', exact: true },
    { verdict: 'deny', tool: 'a' },
    { verdict: 'ask', tool: 'a' },
    { verdict: 'allow', tool: 'a', path: '**' },
    { verdict: 'allow', tool: 'a', path: '*' },
    { verdict: 'allow', tool: 'a', path: '/*' },
    { verdict: 'allow', tool: 'a', path: 'src/**' },
    { verdict: 'allow', tool: 'a', path: 'src/**/*' },
    { verdict: 'allow', tool: 'a', path: 'src/*.ts' },
    { verdict: 'allow', tool: 'a', host: '*.example.org' },
    { verdict: 'allow', tool: 'a', path: 'a', host: 'b' },
    { verdict: 'allow', tool: 'a', other: 1 },
    { verdict: 'allow' },
    [],
    null,
    'text',
  ])('"always allow" never offers the rule %j', (rule) => {
    expect(AlwaysRule.safeParse(rule).success).toBe(false);
    expect(offeredRule(JSON.stringify(rule))).toBeNull();
  });

  test('no rule is offered if the question contains no valid JSON', () => {
    for (const text of [null, '', 'x', '{']) expect(offeredRule(text)).toBeNull();
  });
});

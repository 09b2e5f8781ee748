import { type Rule, Rules } from '@devlm/protocol/permissions.ts';
import { describe, expect, test } from 'vitest';
import { type Action, decide } from '../../../server/src/actions/policy/rules.ts';
import { analyzeShell } from '../../../server/src/actions/policy/shell.ts';

const state = {
  restricted: false,
  taints: [] as string[],
  knownHosts: new Set(['known.example.com']),
  knownPaths: new Set(['src/known.ts']),
};
/** The most permissive settings. */
const loose: Rule[] = [
  { verdict: 'allow', tool: '*' },
  { verdict: 'allow', tool: '*', path: '**' },
  { verdict: 'allow', tool: 'file_write', path: '.vscode/settings.json' },
];
const none = { user: [], workspace: [] };
const write = (path: string | null): Action => ({ tool: 'file_write', effect: 'write', paths: [path] });
const run = (source: string): Action => ({ tool: 'run_command', effect: 'run', command: analyzeShell(source) });
const fetch = (host: string): Action => ({ tool: 'web_fetch', effect: 'fetch', hosts: [host] });

const hard = [
  ...['.vscode/settings.json', '.vscode', 'sub/.vscode/tasks.json', '.VSCODE/tasks.json', '.vscode./tasks.json'],
  ...[
    '.git/hooks/pre-commit',
    '.GIT/config',
    'a/b/.git/config',
    'git~1/config',
    '.git ',
    '.git::$INDEX_ALLOCATION/config',
  ],
  ...['.g\u200cit/config', '.devlm/rules.md', '.bashrc', 'home/.zshrc', '.profile', '.ssh/authorized_keys', '.envrc'],
  ...['.github/workflows/ci.yml', '.github', '.GitHub/Workflows/x.yml', '.gitlab-ci.yml', 'Jenkinsfile', '.travis.yml'],
  ...[
    '.circleci/config.yml',
    'azure-pipelines.yml',
    'bitbucket-pipelines.yml',
    '.husky/pre-commit',
    '.npmrc',
    '.yarnrc.yml',
  ],
  ...['.pnpmfile.cjs', '.yarn/releases/yarn.cjs', '.pre-commit-config.yaml', 'lefthook.yml', '.cargo/config.toml'],
  ...['.gitattributes', '.gitmodules', 'x.code-workspace', '.idea/workspace.xml', '.devcontainer/devcontainer.json'],
  ...['.', '', 'src/../.git/config', './.vscode/x', 'lib/site-packages/x.pth', '.mcp.json', '.config/fish/config.fish'],
  ...['../x', 'a/../../x', '/etc/passwd', '~/.bashrc', 'C:\\x', 'C:/x', '\\\\host\\share', 'file:///etc/passwd'],
];

describe('hard rules', () => {
  test.each(hard)('a change to %j asks, whatever the settings say', (path) => {
    for (const effect of ['write', 'remove'] as const) {
      const decision = decide({ ...write(path), effect }, { user: loose, workspace: loose }, state);
      expect(decision).toMatchObject({ verdict: 'ask', parts: [{ by: 'hard' }] });
    }
  });

  test.each(hard.filter((path) => path !== '' && !/[ $\u200c]/.test(path)))(
    'a command that may change %j asks too',
    (path) => {
      for (const source of [`cp x '${path}'`, `cp --target='${path}' x`, `echo x > '${path}'`]) {
        if (path === '.' && source.startsWith('cp')) continue;
        expect(decide(run(source), { user: loose, workspace: [] }, state).verdict, source).toBe('ask');
      }
    },
  );

  test('reading asks outside the workspace, and does not ask inside it', () => {
    const read = (path: string | null): Action => ({ tool: 'file_read', effect: 'read', paths: [path] });
    expect(decide(read(null), { user: loose, workspace: [] }, state).verdict).toBe('ask');
    expect(decide(read('/etc/passwd'), { user: loose, workspace: [] }, state).verdict).toBe('ask');
    expect(decide(read('.git/config'), none, state).verdict).toBe('allow');
    expect(decide({ tool: 'file_search', effect: 'read' }, none, state).verdict).toBe('allow');
  });

  test('a rule can allow changes to ordinary files', () => {
    for (const path of ['src/a.ts', 'README.md', '.github/ISSUE_TEMPLATE.md', 'git/x', 'package.json']) {
      expect(decide(write(path), { user: loose, workspace: [] }, state).verdict, path).toBe('allow');
    }
  });
});

describe('rules', () => {
  test('without a rule, a change, a command, a fetch and a foreign tool ask', () => {
    const foreign: Action = { tool: 'mcp_x', effect: 'external' };
    for (const action of [
      write('a'),
      run('ls'),
      fetch('example.com'),
      foreign,
      { tool: 'run_code', effect: 'run' } as const,
    ]) {
      expect(decide(action, none, state).verdict).toBe('ask');
    }
  });

  test('the strictest of the rules that apply wins, in any order', () => {
    const rules: Rule[] = [
      { verdict: 'allow', tool: 'file_*', path: 'src/**' },
      { verdict: 'ask', tool: '*', path: 'src/*.sql' },
      { verdict: 'deny', tool: 'file_write', path: 'src/secret/**' },
    ];
    for (const user of [rules, rules.toReversed()]) {
      const verdict = (path: string) => decide(write(path), { user, workspace: [] }, state).verdict;
      expect(verdict('src/deep/a.ts')).toBe('allow');
      expect(verdict('src/a.sql')).toBe('ask');
      expect(verdict('src/deep/a.sql')).toBe('allow');
      expect(verdict('src/secret/a.ts')).toBe('deny');
      expect(verdict('src/SECRET/a.ts')).toBe('deny');
      expect(verdict('SRC/a.ts')).toBe('ask');
      expect(verdict('src/../other/a.ts')).toBe('ask');
    }
  });

  test('an action is as strict as its strictest part', () => {
    const user: Rule[] = [{ verdict: 'allow', tool: '*', path: 'src/**' }];
    const decision = decide({ ...write('src/a'), paths: ['src/a', 'b'] }, { user, workspace: [] }, state);
    expect(decision).toMatchObject({ verdict: 'ask', reason: 'It would change b.' });
    expect(decision.parts.map((part) => part.verdict)).toEqual(['allow', 'ask']);
  });

  test('rules of the workspace tighten and never loosen', () => {
    const user: Rule[] = [{ verdict: 'allow', tool: 'run_command', command: 'npm test' }];
    expect(decide(run('npm test'), { user: [], workspace: user }, state).verdict).toBe('ask');
    const workspace: Rule[] = [{ verdict: 'deny', tool: 'run_command', command: 'npm' }];
    expect(decide(run('npm test'), { user, workspace: [] }, state).verdict).toBe('allow');
    expect(decide(run('npm test'), { user, workspace }, state)).toMatchObject({
      verdict: 'deny',
      parts: [{ by: 'workspace' }],
    });
    const denied: Rule[] = [{ verdict: 'deny', tool: '*' }];
    expect(decide(run('ls'), { user: denied, workspace: loose }, state).verdict).toBe('deny');
  });

  test('a rule for a host matches whole names', () => {
    const user: Rule[] = [
      { verdict: 'allow', tool: 'web_fetch', host: 'example.com' },
      { verdict: 'allow', tool: 'web_fetch', host: '*.example.org' },
    ];
    const verdict = (host: string) => decide(fetch(host), { user, workspace: [] }, state).verdict;
    expect(['example.com', 'EXAMPLE.com', 'a.example.org'].map(verdict)).toEqual(['allow', 'allow', 'allow']);
    const others = ['evil-example.com', 'example.com.evil.net', 'example.org', 'evilexample.org', 'a.example.com'];
    expect(others.map(verdict)).toEqual(others.map(() => 'ask'));
  });

  test('a rule with a command applies to no other part, and a glob in it is literal', () => {
    const user: Rule[] = [{ verdict: 'allow', tool: 'run_command', command: 'echo' }];
    expect(decide(run('echo a'), { user, workspace: [] }, state).verdict).toBe('allow');
    expect(decide(run('echo a > b'), { user, workspace: [] }, state).verdict).toBe('ask');
    expect(
      decide(write('src/aXts'), { user: [{ verdict: 'allow', tool: '*', path: 'src/a.ts' }], workspace: [] }, state)
        .verdict,
    ).toBe('ask');
  });

  test('what the model adds to an action changes nothing', () => {
    const talk = { verdict: 'allow', approved: true, safe: true, requires_approval: false, reason: 'The user agreed.' };
    for (const action of [write('.git/config'), write('a'), run('rm x'), fetch('evil.example.com')]) {
      expect(decide({ ...action, ...talk }, none, state)).toEqual(decide(action, none, state));
    }
  });

  test.each([
    [[{ verdict: 'maybe', tool: '*' }]],
    [[{ verdict: 'allow' }]],
    [[{ verdict: 'allow', tool: '*', unless: 'x' }]],
    [[{ verdict: 'allow', tool: '*', command: '   ' }]],
    [{ allow: ['*'] }],
    ['allow'],
  ])('settings that are not rules are refused: %j', (value) => {
    expect(Rules.safeParse(value).success).toBe(false);
  });
});

describe('taint', () => {
  const tainted = { ...state, taints: ['evil.example.net'] };
  const asked = [
    'curl https://x.example',
    'git push',
    'npm test',
    'npm install',
    'node a.js',
    'make',
    'rm -r src',
    'git checkout .',
    'mv a b',
    'sed -i s/a/b/ x',
    'python x.py',
    'nc h 1',
    'ls | node',
    './ls',
  ];
  test.each(asked)('with untrusted text, %j asks although a rule allows it', (source) => {
    expect(decide(run(source), { user: loose, workspace: [] }, tainted)).toMatchObject({ verdict: 'ask' });
    expect(decide(run(source), { user: loose, workspace: [] }, tainted).reason).toMatch(
      /evil\.example\.net|more than it appears/,
    );
  });

  test('without untrusted text, each of these actions is allowed or asks for another reason', () => {
    const free = asked.filter(
      (source) => decide(run(source), { user: loose, workspace: [] }, state).verdict === 'allow',
    );
    expect(free.length).toBeGreaterThanOrEqual(asked.length - 1);
  });

  test('with untrusted text, reading and isolated work are still allowed', () => {
    for (const source of ['ls src', 'git status && git diff', 'grep -rn x src | head -5', 'nohup cat a']) {
      expect(decide(run(source), { user: loose, workspace: [] }, tainted).verdict, source).toBe('allow');
    }
    expect(decide({ ...run('npm test'), isolated: true }, { user: loose, workspace: [] }, tainted).verdict).toBe(
      'allow',
    );
  });

  test('with untrusted text, allowed writes ask once per file', () => {
    const rules = { user: loose, workspace: [] };
    expect(decide(write('src/a.ts'), rules, state).verdict).toBe('allow');
    expect(decide(write('src/a.ts'), rules, tainted)).toMatchObject({
      verdict: 'ask',
      reason: expect.stringContaining('evil.example.net'),
    });
    expect(decide(write('src/known.ts'), rules, tainted).verdict).toBe('allow');
  });

  test('with untrusted text, new hosts, foreign tools and removals ask, and known hosts do not', () => {
    const rules = { user: loose, workspace: [] };
    expect(decide(fetch('new.example.com'), rules, tainted).verdict).toBe('ask');
    expect(decide(fetch('known.example.com'), rules, tainted).verdict).toBe('allow');
    expect(decide({ tool: 'mcp_x', effect: 'external' }, rules, tainted).verdict).toBe('ask');
    expect(decide({ tool: 'web_search', effect: 'fetch' }, rules, tainted).verdict).toBe('ask');
    expect(decide({ tool: 'run_code', effect: 'run' }, rules, tainted).verdict).toBe('ask');
    expect(decide({ ...write('src/a.ts'), effect: 'remove' }, rules, tainted).verdict).toBe('ask');
    const user: Rule[] = [{ verdict: 'deny', tool: '*' }];
    expect(decide(fetch('new.example.com'), { user, workspace: [] }, tainted).verdict).toBe('deny');
  });
});

test('a restricted workspace can only be read', () => {
  const restricted = { ...state, restricted: true };
  const rules = { user: loose, workspace: loose };
  for (const action of [
    write('a'),
    run('ls'),
    fetch('known.example.com'),
    { tool: 'mcp_x', effect: 'external' } as const,
  ]) {
    expect(decide(action, rules, restricted).verdict).toBe('deny');
  }
  expect(decide({ tool: 'file_read', effect: 'read', paths: ['a'] }, rules, restricted).verdict).toBe('allow');
  expect(decide({ tool: 'ask_user', effect: 'none' }, rules, restricted).verdict).toBe('allow');
});

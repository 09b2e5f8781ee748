import type { Rules } from '@devlm/protocol/permissions.ts';
import { describe, expect, it } from 'vitest';
import { actionOf } from '../../../server/src/actions/effects/command-runs.ts';
import { decide } from '../../../server/src/actions/policy/rules.ts';

const state = { restricted: false, taints: [], knownHosts: new Set<string>(), knownPaths: new Set<string>() };
const everything: Rules = [{ verdict: 'allow', tool: '*' }];

const verdict = (
  asked: { command: string; cwd?: string; stdin?: string },
  {
    shell = 'bash',
    user = everything,
    workspace = [],
  }: { shell?: 'bash' | 'powershell'; user?: Rules; workspace?: Rules } = {},
) => decide(actionOf('run_command', { stdin: '', ...asked }, { shell }), { user, workspace }, state).verdict;

describe('a command', () => {
  it.each([
    [{ command: 'npm test' }],
    [{ command: 'npm test', cwd: 'packages/a' }],
    [{ command: 'echo x >out.txt', cwd: 'packages/a' }],
    [{ command: 'grep x a.txt | sort' }],
  ])('the command %j can be allowed by a rule', (asked) => {
    expect(verdict(asked)).toBe('allow');
  });

  it.each([
    [{ command: 'python3 -', stdin: 'print(1)' }],
    [{ command: 'cat', stdin: 'x' }],
    [{ command: 'ls', cwd: '.git' }],
    [{ command: 'ls', cwd: 'a/.vscode' }],
    [{ command: 'echo x >workflows/ci.yml', cwd: '.github' }],
    [{ command: 'echo x >../../out.txt', cwd: 'a' }],
    [{ command: 'echo x >/etc/out.txt', cwd: 'a' }],
    [{ command: 'echo x >hooks/pre-commit', cwd: '.git' }],
    [{ command: 'cd .git && echo x >config' }],
    [{ command: 'cd .. && ls' }],
    [{ command: 'cd /tmp; ls' }],
    [{ command: 'ls', cwd: '../other' }],
  ])('the command %j asks whatever the rules allow', (asked) => {
    expect(verdict(asked)).toBe('ask');
  });

  it('a command is not judged if the shell is not bash', () => {
    expect(verdict({ command: 'npm test' }, { shell: 'powershell' })).toBe('ask');
  });

  it('a command is rehearsed if a rule says so, unless another rule denies it', () => {
    const rehearse: Rules = [{ verdict: 'rehearse', tool: 'run_command', command: 'sed' }];
    expect(verdict({ command: 'sed -i s/a/b/ x' }, { user: [...everything, ...rehearse] })).toBe('rehearse');
    expect(verdict({ command: 'ls; sed s/a/b/ x' }, { workspace: rehearse })).toBe('rehearse');
    expect(verdict({ command: 'ls' }, { workspace: rehearse })).toBe('allow');
    const deny: Rules = [{ verdict: 'deny', tool: 'run_command', command: 'rm' }];
    expect(verdict({ command: 'sed s/a/b/ x; rm x' }, { user: rehearse, workspace: deny })).toBe('deny');
  });
});

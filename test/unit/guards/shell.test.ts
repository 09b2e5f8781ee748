// biome-ignore-all lint/suspicious/noTemplateCurlyInString: shell and settings syntax
import { expect, test } from 'vitest';
import { decide } from '../../../server/src/actions/policy/rules.ts';
import { analyzeShell } from '../../../server/src/actions/policy/shell.ts';
import { shellAttacks, shellPlain } from './shell-attacks.ts';

const user = ['git status', 'npm test', 'ls'].map(
  (command) => ({ verdict: 'allow', tool: 'run_command', command }) as const,
);
const state = { restricted: false, taints: [], knownHosts: new Set<string>(), knownPaths: new Set<string>() };
const verdict = (source: string) =>
  decide({ tool: 'run_command', effect: 'run', command: analyzeShell(source) }, { user, workspace: [] }, state);

test.each(shellAttacks)('a rule that allows a command does not allow %j', (source) => {
  const { verdict: decided, reason } = verdict(source);
  expect(decided).toBe('ask');
  expect(reason).toMatch(/^\S.*\.$/s);
});

test.each(shellPlain)('the command %j is analyzed completely', (source) => {
  expect(verdict(source)).toMatchObject({ verdict: 'allow' });
});

test.each(['powershell', 'cmd', 'zsh', 'other'] as const)('a command for %s always asks', (shell) => {
  const command = analyzeShell('ls', shell);
  expect(decide({ tool: 'run_command', effect: 'run', command }, { user, workspace: [] }, state).verdict).toBe('ask');
});

test.each([
  ['ls | xargs -n 1 rm -f', ['ls', 'xargs', 'rm']],
  ['echo "$(cat <(id))" `whoami`', ['echo', 'cat', 'id', 'whoami']],
  ['if a; then b; elif c; then d; else e; fi', ['a', 'b', 'c', 'd', 'e']],
  ['f() { a | b; }; for x in $(c); do d; done', ['a', 'b', 'c', 'd']],
  ['cat <<E\n$(id)\nE', ['cat', 'id']],
  ["cat <<'E'\n$(id)\nE", ['cat']],
  ['sudo -u root env A=1 nice -n 3 bash -c "x; sh -c y"', ['sudo', 'env', 'nice', 'bash', 'x', 'sh', 'y']],
  ['find . -name a -exec chmod 7 {} \\; -ok rm {} +', ['find', 'chmod', 'rm']],
  ['case $(a) in b) c ;; *) d ;; esac', ['a', 'c', 'd']],
  ['echo `a \\`b\\``', ['echo', 'a', 'b']],
  ['[[ $(a) = b ]] && (( $(c) )) ; echo ${x:-$(d)}', ['a', 'c', 'echo', 'd']],
])('the analysis finds every command in %j', (source, names) => {
  const found = analyzeShell(source).commands.map(({ argv }) => argv[0]);
  expect(found.toSorted()).toEqual(names.toSorted());
});

test('a denied program is found wherever it hides', () => {
  const rules = { user: [...user, { verdict: 'deny', tool: '*', command: 'rm' } as const], workspace: [] };
  for (const source of ['ls $(rm x)', 'bash -c "sudo /bin/rm x"', 'ls | xargs rm', 'f() { rm x; }', 'nohup rm x &']) {
    const command = analyzeShell(source);
    expect(decide({ tool: 'run_command', effect: 'run', command }, rules, state).verdict, source).toBe('deny');
  }
});

test('the analysis of a command is bounded', () => {
  for (const source of ['('.repeat(100_000), '$('.repeat(5000), 'ls;'.repeat(6000), `ls ${'"$('.repeat(3000)}`]) {
    const before = performance.now();
    expect(verdict(source).verdict).toBe('ask');
    expect(performance.now() - before).toBeLessThan(3000);
  }
});

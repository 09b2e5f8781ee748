import type { TurnState } from '@devlm/protocol/state.ts';
import type { Mutant, TestReport } from '@devlm/protocol/tasks.ts';
import { t } from '../l10n.ts';
import { testsOf } from '../state/turn-work.ts';
import { Icon } from './icon.tsx';
import { ToolRun } from './tool-run.tsx';

/**
 * Shows how the tests of a turn ended, from the server's record of the last run, regardless of what the answer says.
 */
export function TestsBadge({ turn }: { turn: TurnState }) {
  const last = testsOf(turn);
  if (!last) return turn.task === 'test' ? <TestsNotRun /> : null;
  const { report, callId, changedSince } = last;
  const noneCaught = report.mutants.length > 0 && report.mutants.every(({ caught }) => !caught);
  const passed = report.verdict === 'passed' && !changedSince && !noneCaught;
  return (
    <section class={`tests tests-${passed ? 'passed' : 'failed'}`} aria-label={t('Tests')}>
      <div class="tests-head">
        <Icon name={passed ? 'pass' : report.verdict === 'failed' ? 'error' : 'warning'} />
        <span class="tests-verdict">
          {noneCaught ? t('Tests passed, but they also pass with faulty code') : verdictWords(report)}
        </span>
        <span class="tests-source">{t('recorded by the sandbox')}</span>
        <ToolRun turnId={turn.id} callId={callId} executionId={report.executionId} whole={false} />
      </div>
      {changedSince && (
        <p class="tests-note">{t('Files were changed after this run, so it does not cover those changes.')}</p>
      )}
      {report.verdict === 'passed' && <MutantSummary mutants={report.mutants} />}
    </section>
  );
}

function verdictWords({ verdict, exitCode }: TestReport): string {
  if (verdict === 'passed') return t('Tests passed');
  if (verdict === 'unknown') return t('Tests did not run');
  return exitCode === null ? t('Tests failed') : t('Tests failed (exit code {0})', exitCode);
}

function TestsNotRun() {
  return (
    <section class="tests tests-failed" aria-label={t('Tests')}>
      <div class="tests-head">
        <Icon name="warning" />
        <span class="tests-verdict">{t('Tests were not run')}</span>
        <span class="tests-source">{t('no run was recorded')}</span>
      </div>
    </section>
  );
}

/** Shows how many mutants the tests caught. */
function MutantSummary({ mutants }: { mutants: readonly Mutant[] }) {
  if (mutants.length === 0)
    return <p class="tests-note">{t('It is not known whether the tests detect faulty code.')}</p>;
  const missed = mutants.filter(({ caught }) => !caught);
  const words = t(
    'The tests detected {0} of {1} faulty versions of the code.',
    mutants.length - missed.length,
    mutants.length,
  );
  if (missed.length === 0) return <p class="tests-note">{words}</p>;
  return (
    <details class="tests-note">
      <summary>{words}</summary>
      <ul>
        {missed.map(({ path, line, before, after, executionId }) => (
          <li key={executionId}>
            {t('Not detected: in line {0} of {1},', line, path)} <code>{before}</code> {t('changed to')}{' '}
            <code>{after}</code>
          </li>
        ))}
      </ul>
    </details>
  );
}

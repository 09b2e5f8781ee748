import type { Problem, ProblemAction } from '@devlm/protocol/problem.ts';
import { signal } from '@preact/signals';
import { t } from '../l10n.ts';
import { newConversation } from '../state/actions.ts';
import { runCommand, server } from '../state/app.ts';
import { Icon } from './icon.tsx';

/** Opens the model picker whenever this number increases. */
export const modelPickerRequests = signal(0);

/** A problem with the action that solves it. */
export function ProblemCard({ problem, retry }: { problem: Problem; retry?: (() => void) | undefined }) {
  const action = problem.action ? actions(retry)[problem.action] : undefined;
  return (
    <section class="problem" aria-label={t('Error')}>
      <Icon name="error" />
      <div class="problem-body">
        <div class="problem-title">{problem.title}</div>
        <div>{problem.detail}</div>
        <div class="problem-actions">
          {action && (
            <button type="button" class="button" onClick={action.run}>
              {action.label}
            </button>
          )}
          {retry && problem.action !== 'retry' && (
            <button type="button" class={action ? 'button button-secondary' : 'button'} onClick={retry}>
              {t('Try Again')}
            </button>
          )}
          {problem.requestId && <span class="faint">{t('Request {0}', problem.requestId)}</span>}
        </div>
      </div>
    </section>
  );
}

function actions(retry?: () => void): Record<ProblemAction, { label: string; run(): void } | undefined> {
  return {
    'set-token': { label: t('Enter Token...'), run: () => runCommand('setServerToken') },
    'set-key': { label: t('Set API Key...'), run: () => runCommand('setApiKey') },
    retry: retry && { label: t('Try Again'), run: retry },
    'pick-model': {
      label: t('Pick Another Model'),
      run: () => {
        modelPickerRequests.value += 1;
      },
    },
    'open-settings': { label: t('Open Settings'), run: () => runCommand('openSettings') },
    'new-conversation': { label: t('New Chat'), run: newConversation },
    'show-log': { label: t('Show Log'), run: () => runCommand('showLog') },
    'restart-server': {
      label: server.value.remote ? t('Reconnect') : t('Restart Server'),
      run: () => runCommand('restartServer'),
    },
  };
}

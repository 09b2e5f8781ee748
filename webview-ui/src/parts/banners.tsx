import type { ServerState } from '@devlm/protocol/page.ts';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import { runCommand, server, settings } from '../state/app.ts';
import { Icon } from './icon.tsx';

/** Time before a start or a reconnection is shown, in milliseconds. */
const showDelayMs = 700;

/** Notices about the state of the server. */
export function Banners() {
  const { state, key, demo, problem, remote } = server.value;
  const waiting = state === 'starting' || state === 'reconnecting';
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    if (!waiting) return;
    const timer = setTimeout(() => setLate(true), showDelayMs);
    return () => clearTimeout(timer);
  }, [waiting]);
  return (
    <div class="banners">
      {demo === true && (
        <div class="banner banner-demo" role="note">
          <Icon name="beaker" />
          <span>{t('Scripted demo: the answers do not come from a model.')}</span>
          <button type="button" class="link-button" onClick={() => runCommand('setApiKey')}>
            {t('Add Key')}
          </button>
        </div>
      )}
      {settings.value.restricted && (
        <div class="banner" role="note">
          <Icon name="shield" />
          <span>{t('This folder is not trusted. DevLM can only read it.')}</span>
          <button type="button" class="link-button" onClick={() => runCommand('manageTrust')}>
            {t('Manage Trust')}
          </button>
        </div>
      )}
      {state === 'ready' && problem && demo !== true && (
        <div class="banner banner-warning" role="alert">
          <Icon name="warning" />
          <span>{problem.detail}</span>
          <button type="button" class="button" onClick={() => runCommand('openSettings')}>
            {t('Open Settings')}
          </button>
        </div>
      )}
      {key === 'missing' && remote !== undefined && !problem && state === 'ready' && (
        <div class="banner banner-warning" role="note">
          <Icon name="key" />
          <span>{t('{0} has no access to Claude yet. Ask your administrator to set it up.', remote)}</span>
        </div>
      )}
      {key === 'missing' && remote === undefined && !problem && demo !== true && state !== 'failed' && (
        <div class="banner banner-warning" role="note">
          <Icon name="key" />
          <span>{t('DevLM needs an API key to use Claude. The key is stored in the editor’s secret storage.')}</span>
          <button type="button" class="button" onClick={() => runCommand('setApiKey')}>
            {t('Add Key')}
          </button>
        </div>
      )}
      {waiting && isLate && (
        <div class="banner" role="status">
          <Icon name="loading" spin />
          <span>{waitingText(server.value)}</span>
          {remote !== undefined && problem && (
            <span class="banner-actions">
              <button type="button" class="button" onClick={() => runCommand('restartServer')}>
                {t('Try Now')}
              </button>
              <button type="button" class="link-button" onClick={() => runCommand('switchServer')}>
                {t('Switch Server...')}
              </button>
            </span>
          )}
        </div>
      )}
      {state === 'failed' && (
        <div class="banner banner-error" role="alert">
          <Icon name="error" />
          <span>{problem?.detail ?? t('The server could not be started.')}</span>
          <span class="banner-actions">
            <ConnectionActions />
          </span>
        </div>
      )}
    </div>
  );
}

/** Actions that help if there is no connection to the server. */
function ConnectionActions() {
  const { problem, remote } = server.value;
  if (remote === undefined)
    return (
      <>
        <button type="button" class="button" onClick={() => runCommand('restartServer')}>
          {t('Restart Server')}
        </button>
        <button type="button" class="link-button" onClick={() => runCommand('showLog')}>
          {t('Show Log')}
        </button>
      </>
    );
  const token = problem?.action === 'set-token';
  return (
    <>
      <button type="button" class="button" onClick={() => runCommand(token ? 'setServerToken' : 'restartServer')}>
        {token ? t('Enter Token...') : t('Reconnect')}
      </button>
      <button type="button" class="link-button" onClick={() => runCommand('switchServer')}>
        {t('Switch Server...')}
      </button>
    </>
  );
}

function waitingText({ state, remote, problem }: ServerState): string {
  if (remote === undefined)
    return state === 'starting' ? t('Starting the server...') : t('The connection was lost. Reconnecting...');
  if (problem) return t('{0} Retrying...', problem.detail);
  return state === 'starting'
    ? t('Connecting to {0}...', remote)
    : t('The connection to {0} was lost. Reconnecting...', remote);
}

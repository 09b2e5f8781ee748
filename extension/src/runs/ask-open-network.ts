import * as vscode from 'vscode';

const t = vscode.l10n.t;

/** Asks the user in a modal dialog whether programs may run although the network cannot be blocked. */
export async function askOpenNetwork(): Promise<boolean> {
  const run = t('Run Anyway');
  const answer = await vscode.window.showWarningMessage(
    t('This machine cannot cut the network from programs. Run anyway?'),
    {
      modal: true,
      detail: t(
        'Docker is not running, and the embedded engine cannot keep a program off the network here. Files stay out of its reach. With Docker running, programs have no network. DevLM remembers this answer on this machine.',
      ),
    },
    run,
  );
  return answer === run;
}

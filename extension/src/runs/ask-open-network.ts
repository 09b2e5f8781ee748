import * as vscode from 'vscode';

const t = vscode.l10n.t;

/** Asks the user in a modal dialog whether programs may run although the network cannot be blocked. */
export async function askOpenNetwork(): Promise<boolean> {
  const run = t('Run Anyway');
  const answer = await vscode.window.showWarningMessage(
    t('This machine cannot block network access for programs. Run anyway?'),
    {
      modal: true,
      detail: t(
        'Docker is not running, and the embedded sandbox cannot block network access on this machine. Programs still cannot access your files. Start Docker to run programs without network access. If you choose to run anyway, DevLM does not ask again on this machine.',
      ),
    },
    run,
  );
  return answer === run;
}

import * as vscode from 'vscode';

/** Does the work with a signal that aborts, with a `CancellationError`, when the editor cancels. */
export async function withSignal<T>(
  token: vscode.CancellationToken,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  if (token.isCancellationRequested) stop.abort(new vscode.CancellationError());
  const listener = token.onCancellationRequested(() => stop.abort(new vscode.CancellationError()));
  try {
    return await work(stop.signal);
  } finally {
    listener.dispose();
  }
}

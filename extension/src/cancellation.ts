import * as vscode from 'vscode';

/** Runs the work with a signal that is aborted with a `CancellationError` when the editor cancels. */
export async function withSignal<T>(
  token: vscode.CancellationToken,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  if (token.isCancellationRequested) controller.abort(new vscode.CancellationError());
  const listener = token.onCancellationRequested(() => controller.abort(new vscode.CancellationError()));
  try {
    return await work(controller.signal);
  } finally {
    listener.dispose();
  }
}

/** Runs the work like `withSignal`. Returns undefined if the user cancels it. */
export async function runCancellable<T>(
  token: vscode.CancellationToken,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await withSignal(token, work);
  } catch (error) {
    if (token.isCancellationRequested) return undefined;
    throw error;
  }
}

import type { Diagnostic } from '@devlm/protocol/editor.ts';
import * as vscode from 'vscode';
import { type Folder, pathOf } from './places.ts';

/** Maximum wait for language extensions to report on changed files, in milliseconds. */
const settleMs = 1_500;
/** Time without new reports after which diagnostics count as settled, in milliseconds. */
const quietMs = 300;
/** Maximum number of diagnostics in a response, the most severe first. */
const maxItems = 500;

const severities = ['error', 'warning', 'information', 'hint'] as const;

/** Returns the editor's current diagnostics, of these files or of the whole workspace (null). */
export function diagnosticsNow(uris: readonly vscode.Uri[] | null, folders: readonly Folder[]): Diagnostic[] {
  const all: [vscode.Uri, readonly vscode.Diagnostic[]][] = uris
    ? uris.map((uri) => [uri, vscode.languages.getDiagnostics(uri)])
    : vscode.languages.getDiagnostics();
  const items: Diagnostic[] = [];
  for (const [uri, found] of all) {
    const path = pathOf(uri, folders);
    if (path === undefined) continue;
    for (const diagnostic of found) {
      items.push({
        path,
        line: diagnostic.range.start.line + 1,
        severity: severities[diagnostic.severity] ?? 'information',
        message: diagnostic.message.slice(0, 2000),
        source: diagnostic.source?.slice(0, 100) ?? null,
      });
    }
  }
  return items.sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity)).slice(0, maxItems);
}

/** Returns the errors and warnings that are new. A diagnostic that only moved to another line is not new. */
export function newDiagnostics(before: readonly Diagnostic[], after: readonly Diagnostic[]): Diagnostic[] {
  const counts = new Map<string, number>();
  const keyOf = ({ path, severity, message, source }: Diagnostic) => JSON.stringify([path, severity, message, source]);
  for (const item of before) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return after.filter((item) => {
    if (item.severity !== 'error' && item.severity !== 'warning') return false;
    const remaining = counts.get(keyOf(item)) ?? 0;
    if (remaining > 0) counts.set(keyOf(item), remaining - 1);
    return remaining === 0;
  });
}

/** Starts listening. `settled` resolves when languages have reported on these files, or after the maximum wait. */
export function watchDiagnostics(uris: readonly vscode.Uri[]): {
  settled(signal: AbortSignal): Promise<void>;
  dispose(): void;
} {
  const wanted = new Set(uris.map(String));
  let last: number | undefined;
  let wake: (() => void) | undefined;
  const listener = vscode.languages.onDidChangeDiagnostics(({ uris: changed }) => {
    if (!changed.some((uri) => wanted.has(uri.toString()))) return;
    last = performance.now();
    wake?.();
  });
  return {
    async settled(signal) {
      const end = performance.now() + settleMs;
      for (;;) {
        const now = performance.now();
        const until = last === undefined ? end : Math.min(end, last + quietMs);
        if (now >= until || signal.aborted) return;
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const timer = setTimeout(resolve, until - now);
        signal.addEventListener('abort', () => resolve(), { once: true });
        await promise;
        clearTimeout(timer);
      }
    },
    dispose: () => listener.dispose(),
  };
}

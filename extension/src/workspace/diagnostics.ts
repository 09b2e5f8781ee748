import type { Diagnostic } from '@devlm/protocol/editor.ts';
import * as vscode from 'vscode';
import { type Folder, pathOf } from './places.ts';

/** Longest wait for languages to look at changed files, milliseconds. */
const settleMs = 1_500;
/** So long without news of the files and they count as looked at, milliseconds. */
const quietMs = 300;
/** Most that are answered, the gravest first. */
const maxItems = 500;

const severities = ['error', 'warning', 'information', 'hint'] as const;

/** What the editor shows now: of these files, or of all of the workspace. */
export function diagnosticsNow(uris: readonly vscode.Uri[] | null, folders: readonly Folder[]): Diagnostic[] {
  const all: [vscode.Uri, readonly vscode.Diagnostic[]][] = uris
    ? uris.map((uri) => [uri, vscode.languages.getDiagnostics(uri)])
    : vscode.languages.getDiagnostics();
  const items: Diagnostic[] = [];
  for (const [uri, found] of all) {
    const path = pathOf(uri, folders);
    if (path === undefined) continue;
    for (const one of found) {
      items.push({
        path,
        line: one.range.start.line + 1,
        severity: severities[one.severity] ?? 'information',
        message: one.message.slice(0, 2000),
        source: one.source?.slice(0, 100) ?? null,
      });
    }
  }
  return items.sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity)).slice(0, maxItems);
}

/** Errors and warnings that were not there before; one that only moved to another line is not new. */
export function newDiagnostics(before: readonly Diagnostic[], after: readonly Diagnostic[]): Diagnostic[] {
  const counts = new Map<string, number>();
  const keyOf = ({ path, severity, message, source }: Diagnostic) => JSON.stringify([path, severity, message, source]);
  for (const item of before) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return after.filter((item) => {
    if (item.severity !== 'error' && item.severity !== 'warning') return false;
    const left = counts.get(keyOf(item)) ?? 0;
    if (left > 0) counts.set(keyOf(item), left - 1);
    return left === 0;
  });
}

/** Listens from now on; `settled` resolves when languages have reported on these files, or had their time. */
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

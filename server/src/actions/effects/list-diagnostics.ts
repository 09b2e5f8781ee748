import type { Diagnostic } from '@devlm/protocol/editor.ts';

/** Formats diagnostics for a model, one per line, errors first. */
export function listDiagnostics(items: readonly Diagnostic[]): string {
  const order = ['error', 'warning', 'information', 'hint'];
  return items
    .toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity))
    .map(
      ({ path, line, severity, message, source }) =>
        `${path}:${line}: ${severity}: ${message}${source ? ` (${source})` : ''}`,
    )
    .join('\n');
}

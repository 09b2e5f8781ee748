export type Link =
  | { readonly kind: 'external'; readonly url: string }
  /** 1-based lines. */
  | { readonly kind: 'file'; readonly path: string; readonly line?: number; readonly endLine?: number };

/**
 * What a link in an answer may open: http, https and mailto outside, and paths (with `#L10`,
 * `#L10-L20` or `:10` behind them) in the workspace. Everything else is null: `command:`,
 * `vscode:`, `javascript:`, `data:`, links to another host's files and the like.
 */
export function parseLink(href: string): Link | null {
  const text = href.trim();
  if (/^(https?:\/\/|mailto:)/i.test(text)) {
    return URL.canParse(text) ? { kind: 'external', url: new URL(text).href } : null;
  }
  if (text === '' || text.startsWith('//') || text.startsWith('\\\\') || text.startsWith('#')) return null;
  const place = /^(?<path>.+?)(?:#L?(?<line>\d+)(?:C\d+)?(?:-L?(?<end>\d+))?|:(?<row>\d+)(?::\d+)?)?$/s.exec(text);
  const { path: raw = '', line = place?.groups?.['row'], end } = place?.groups ?? {};
  const path = decoded(raw.replace(/^file:\/\/(?=\/)/i, ''));
  // A scheme has two letters or more: C:\ is a drive.
  if (path === null || /^[a-z][a-z0-9+.-]+:/i.test(path) || path.includes('\0')) return null;
  return {
    kind: 'file',
    path,
    ...(line === undefined ? {} : { line: Math.max(1, Number(line)) }),
    ...(end === undefined ? {} : { endLine: Math.max(1, Number(end)) }),
  };
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

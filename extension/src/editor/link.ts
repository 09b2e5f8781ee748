/** The target of a link. */
export type Link =
  | { readonly kind: 'external'; readonly url: string }
  /** `line` and `endLine` are 1-based. */
  | { readonly kind: 'file'; readonly path: string; readonly line?: number; readonly endLine?: number };

/**
 * Parses a link of an answer. Supports http, https and mailto links, and workspace paths (optionally followed by
 * `#L10`, `#L10-L20` or `:10`). Returns null for everything else, such as `command:`, `vscode:`, `javascript:`,
 * `data:` and links to files on other hosts.
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
  // A scheme has at least two letters: C:\ is a drive.
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

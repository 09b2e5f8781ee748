import type { TextAttachment } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { NamedSymbol } from '@devlm/protocol/views.ts';
import { findSymbols } from '../actions/symbols/find.ts';
import { cut } from '../actions/tool.ts';
import type { ToolboxDeps } from './toolbox.ts';

/*
 * What a person names with `@` and the server knows or fetches.
 */

const mostSymbols = 30;
/** A person who types does not wait longer for what has just changed, milliseconds. */
const freshMs = 1_500;

/** The definitions of a project that fit a name; none where it has no workspace. */
export async function findNamed(
  { workspaces, symbols }: Pick<ToolboxDeps, 'workspaces' | 'symbols'>,
  projectId: string,
  query: string,
  signal: AbortSignal,
): Promise<{ items: NamedSymbol[] }> {
  if (!workspaces.attached(projectId)) return { items: [] };
  const soon = AbortSignal.any([signal, AbortSignal.timeout(freshMs)]);
  const look = async () => symbols.fresh(projectId, await workspaces.workspace(projectId, soon), soon);
  const index = await look().catch(() => symbols.current(projectId));
  signal.throwIfAborted();
  const found = index ? findSymbols(index.symbols(), { query }, mostSymbols) : [];
  return { items: found.map(({ name, kind, path, line, endLine }) => ({ name, kind, path, line, endLine })) };
}

/**
 * The text of a page as an attachment, marked as nobody's word but its author's.
 *
 * @throws ProblemError those of `Pages.read`; `page_failed`
 */
export async function readPage(
  { web }: Pick<ToolboxDeps, 'web'>,
  address: string,
  signal: AbortSignal,
): Promise<TextAttachment> {
  const url = URL.canParse(address) ? address : `https://${address}`;
  // The person has named the address; where it leads is shown on the attachment.
  const page = await web.pages.read(url, () => true, signal);
  const { host } = new URL(page.url);
  if (page.status >= 400 || page.text.trim() === '') {
    const detail = page.status >= 400 ? `${host} answered with status ${page.status}.` : `${host} has no text there.`;
    throw new ProblemError({ code: 'page_failed', status: 502, title: 'Not attached', detail });
  }
  const text = page.title ? `# ${page.title.slice(0, 300)}\n\n${page.text}` : page.text;
  return {
    kind: 'url',
    path: page.url.slice(0, 4096),
    text: cut(text, limits.attachmentChars),
    untrusted: { kind: 'web', name: host.slice(0, 300) },
  };
}

import type { TextAttachment } from '@devlm/protocol/events.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { NamedSymbol } from '@devlm/protocol/views.ts';
import { findSymbols } from '../actions/symbols/find.ts';
import { cut } from '../actions/tool.ts';
import type { ToolboxDeps } from './toolbox.ts';

/*
 * Lookup of what the user mentions with `@`: symbols of the project and web pages.
 */

/** Maximum number of symbols in one answer. */
const maxSymbols = 30;
/** Maximum time to wait for the index to include the latest changes while the user types, in milliseconds. */
const maxWaitMs = 1_500;

/** Returns the definitions of a project whose names match the query. A project without a workspace has none. */
export async function findNamed(
  { workspaces, symbols }: Pick<ToolboxDeps, 'workspaces' | 'symbols'>,
  projectId: string,
  query: string,
  signal: AbortSignal,
): Promise<{ items: NamedSymbol[] }> {
  if (!workspaces.attached(projectId)) return { items: [] };
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(maxWaitMs)]);
  const freshIndex = async () => symbols.fresh(projectId, await workspaces.workspace(projectId, deadline), deadline);
  const index = await freshIndex().catch(() => symbols.current(projectId));
  signal.throwIfAborted();
  const found = index ? findSymbols(index.symbols(), { query }, maxSymbols) : [];
  return { items: found.map(({ name, kind, path, line, endLine }) => ({ name, kind, path, line, endLine })) };
}

/**
 * Returns the text of a web page as an attachment that is marked as untrusted.
 *
 * @throws ProblemError `page_failed` and the errors of `Pages.read`
 */
export async function readPage(
  { web }: Pick<ToolboxDeps, 'web'>,
  address: string,
  signal: AbortSignal,
): Promise<TextAttachment> {
  const url = URL.canParse(address) ? address : `https://${address}`;
  // The user entered the address; the attachment shows where redirects led.
  const page = await web.pages.read(url, () => true, signal);
  const { host } = new URL(page.url);
  if (page.status >= 400 || page.text.trim() === '') {
    const detail =
      page.status >= 400 ? `${host} returned the status ${page.status}.` : `The page at ${host} has no text.`;
    throw new ProblemError({ code: 'page_failed', status: 502, title: 'Cannot attach the page', detail });
  }
  const text = page.title ? `# ${page.title.slice(0, 300)}\n\n${page.text}` : page.text;
  return {
    kind: 'url',
    path: page.url.slice(0, 4096),
    text: cut(text, limits.attachmentChars),
    untrusted: { kind: 'web', name: host.slice(0, 300) },
  };
}

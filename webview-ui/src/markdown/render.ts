import { Lexer, type Links, type MarkedOptions, Parser, Renderer, type Token, type Tokens } from 'marked';

/*
 * Converts Markdown to HTML text without using the DOM. The result has to be sanitized by `sanitize.ts` before it is
 * shown.
 */

/** Raw HTML tags that are kept, without attributes. All other HTML in an answer is shown as text. */
const plainTags =
  /^<\/?(?:b|blockquote|br|code|del|details|dd|dl|dt|em|h[1-6]|hr|i|ins|kbd|li|mark|ol|p|pre|q|s|samp|small|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|tr|u|ul|var)\s*\/?>$/i;
const comments = /<!--[\s\S]*?(?:-->|$)/g;

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** Returns whether all tags of raw HTML match `plainTags`. */
function isPlain(html: string): boolean {
  const tags = html.match(/<[^>]*>?/g) ?? [];
  return tags.every((tag) => plainTags.test(tag));
}

class PageRenderer extends Renderer {
  override html({ text, block }: Tokens.HTML | Tokens.Tag): string {
    const html = text.replace(comments, '');
    if (isPlain(html)) return html;
    return block ? `<p>${escapeHtml(html.trimEnd())}</p>\n` : escapeHtml(html);
  }

  /** Renders an image as a link, because images are not loaded from other hosts. */
  override image({ href, text }: Tokens.Image): string {
    const label = escapeHtml(text || href);
    return /^data:/i.test(href) ? label : `<a href="${escapeHtml(href)}">${label}</a>`;
  }

  override checkbox({ checked }: Tokens.Checkbox): string {
    return `<span class="task ${checked ? 'task-done' : 'task-open'}"></span> `;
  }

  override table(token: Tokens.Table): string {
    return `<div class="table">${super.table(token)}</div>\n`;
  }
}

/** Link definitions of a Markdown text. */
export type LinkTable = Links;

const options: MarkedOptions = { gfm: true, breaks: false };

/** Returns the top-level tokens of Markdown, given link definitions from elsewhere. */
export function lex(text: string, links: LinkTable): { tokens: Token[]; links: LinkTable } {
  const lexer = new Lexer({ ...options });
  Object.assign(lexer.tokens.links, links);
  const tokens = lexer.lex(text);
  return { tokens, links: lexer.tokens.links };
}

/** Returns the HTML of tokens, which is not sanitized yet. */
export function toHtml(tokens: Token[]): string {
  const renderer = new PageRenderer();
  return new Parser({ ...options, renderer }).parse(tokens);
}

import { Lexer, type Links, type MarkedOptions, Parser, Renderer, type Token, type Tokens } from 'marked';

/*
 * Markdown to HTML text. Pure: no DOM is touched here, and what comes out still has to go
 * through `sanitize.ts` before it is shown.
 */

/** Raw tags that may stay, without any attribute; everything else a model writes is shown as text. */
const plainTags =
  /^<\/?(?:b|blockquote|br|code|del|details|dd|dl|dt|em|h[1-6]|hr|i|ins|kbd|li|mark|ol|p|pre|q|s|samp|small|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|tr|u|ul|var)\s*\/?>$/i;
const comments = /<!--[\s\S]*?(?:-->|$)/g;

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** True when every tag of a piece of raw HTML is one of `plainTags`. */
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

  /** No image is loaded from elsewhere: it becomes a link. */
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

/** What of `text` would be read as markdown link definitions. */
export type LinkTable = Links;

const options: MarkedOptions = { gfm: true, breaks: false };

/** Top-level tokens of a stretch of markdown, with definitions known from elsewhere. */
export function lex(text: string, links: LinkTable): { tokens: Token[]; links: LinkTable } {
  const lexer = new Lexer({ ...options });
  Object.assign(lexer.tokens.links, links);
  const tokens = lexer.lex(text);
  return { tokens, links: lexer.tokens.links };
}

/** HTML of tokens, not yet sanitised. */
export function toHtml(tokens: Token[]): string {
  const renderer = new PageRenderer();
  return new Parser({ ...options, renderer }).parse(tokens);
}

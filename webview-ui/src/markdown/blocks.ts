import type { Token } from 'marked';
import { type LinkTable, lex, toHtml } from './render.ts';

/** A top-level block of a text, such as a paragraph, a list or a code block. */
export interface MarkdownBlock {
  readonly raw: string;
  /** Type and text of the parsed token: the same raw text can be parsed differently, depending on what follows. */
  readonly tokenKey: string;
  /** HTML that is not sanitized yet. */
  readonly html: string;
  /** Whether the block may contain a reference to a link that is defined elsewhere. */
  readonly hasReferences: boolean;
  /** The text so far of a code block that is still being written. `html` shows the same text. */
  readonly open?: { readonly text: string };
}

/** The effect of an append on `blocks`. */
export type BlockUpdate =
  | { readonly kind: 'none' }
  /** The last block is an open code block and only grew. */
  | { readonly kind: 'code'; readonly text: string }
  /** All blocks from `first` on are new or removed, and so are the earlier ones in `also`. */
  | { readonly kind: 'blocks'; readonly first: number; readonly also: readonly number[] };

interface OpenFence {
  /** Matches the closing line. */
  readonly close: RegExp;
  /** Matches the beginning of a line that may become the closing line. */
  readonly mayClose: RegExp;
  /** Offset in the tail of the first line that has not been checked. */
  line: number;
  /** Offset in the tail of the text that has not been shown. */
  shown: number;
}

const none: BlockUpdate = { kind: 'none' };
const fenceStart = /^(`{3,}(?=[^`\n]*\n)|~{3,})[^\n]*\n/;
/** A token that later text may still turn into a link definition with a multi-line title. */
const definitionLike = /^ {0,3}\[[^\]]*\]:/;

/**
 * Parses Markdown that arrives in chunks into top-level blocks. Blocks that later text cannot change are frozen and
 * never parsed again; only the tail after them is. After `finish()` the blocks equal those of the whole text parsed
 * at once, however it was split.
 */
export class BlockStream {
  blocks: readonly MarkdownBlock[] = [];
  #frozen = 0;
  #tail = '';
  #links: LinkTable = Object.create(null);
  #frozenText = '';
  /** Links that the tail was parsed with, including its own, as JSON. */
  #linksSeen = '{}';
  #hadLinks = false;
  #fence: OpenFence | null = null;
  /** Whether a trailing `\r` is held back, because it may be half of a line break. */
  #heldReturn = false;
  #finished = false;

  /** Appends text. */
  append(text: string): BlockUpdate {
    if (text === '' || this.#finished) return none;
    let added = this.#heldReturn ? `\r${text}` : text;
    this.#heldReturn = added.endsWith('\r');
    if (this.#heldReturn) added = added.slice(0, -1);
    if (added.includes('\r')) added = added.replace(/\r\n|\r/g, '\n');
    this.#tail += added;
    return this.#fence && this.#stillInFence(this.#fence) ? this.#grow(this.#fence) : this.#parseTail();
  }

  /** Ends the text. */
  finish(): BlockUpdate {
    if (this.#finished) return none;
    if (this.#heldReturn) this.#tail += '\n';
    this.#finished = true;
    const change = this.#parseTail();
    if (!this.#hadLinks) return change;
    const also = this.#resolve();
    return also.length === 0
      ? change
      : { kind: 'blocks', first: change.kind === 'blocks' ? change.first : this.blocks.length, also };
  }

  #stillInFence(fence: OpenFence): boolean {
    for (;;) {
      const end = this.#tail.indexOf('\n', fence.line);
      if (end < 0) return true;
      if (fence.close.test(this.#tail.slice(fence.line, end))) return false;
      fence.line = end + 1;
    }
  }

  #grow(fence: OpenFence): BlockUpdate {
    const last = this.#tail.slice(fence.line);
    const end = fence.mayClose.test(last) ? fence.line : this.#tail.length;
    if (end <= fence.shown) return none;
    const text = this.#tail.slice(fence.shown, end);
    fence.shown = end;
    const block = this.blocks.at(-1);
    if (block?.open) this.blocks = [...this.blocks.slice(0, -1), { ...block, open: { text: block.open.text + text } }];
    return { kind: 'code', text };
  }

  #parseTail(): BlockUpdate {
    this.#fence = null;
    const { tokens, links } = lex(this.#tail, this.#links);
    const linksNow = JSON.stringify(links);
    const areLinksSame = linksNow === this.#linksSeen;
    this.#linksSeen = linksNow;
    this.#hadLinks ||= linksNow !== '{}';
    const change = this.#setBlocks(tokens, this.#frozen, areLinksSame);
    if (this.#finished) return change;
    this.#freeze(tokens);
    this.#openFence(tokens.at(-1));
    return change;
  }

  /** Replaces the blocks from `start` on by those of the tokens, keeping unchanged ones. */
  #setBlocks(tokens: readonly Token[], start: number, sameLinks: boolean): BlockUpdate {
    const before = this.blocks;
    const blocks = before.slice(0, start);
    let first = -1;
    for (const token of tokens) {
      if (token.type === 'space' || token.type === 'def') continue;
      const { raw } = token;
      const tokenKey = 'text' in token ? `${token.type} ${token.text}` : token.type;
      const old = before[blocks.length];
      const isSame = old?.raw === raw && old.tokenKey === tokenKey && !old.open && (sameLinks || !old.hasReferences);
      if (first < 0 && !isSame) first = blocks.length;
      blocks.push(
        old && first < 0 ? old : { raw, tokenKey, html: toHtml([token]), hasReferences: hasReference(token) },
      );
    }
    this.blocks = blocks;
    if (first < 0) first = blocks.length;
    return first === blocks.length && before.length === blocks.length ? none : { kind: 'blocks', first, also: [] };
  }

  #freeze(tokens: readonly Token[]): void {
    const stable = tokens.slice(0, stableTokens(tokens));
    if (stable.length === 0) return;
    const text = stable.map((token) => token.raw).join('');
    this.#frozen += stable.filter((token) => token.type !== 'space' && token.type !== 'def').length;
    this.#frozenText += text;
    this.#tail = this.#tail.slice(text.length);
    // Keep the definitions of the part that is frozen now; those of the tail are parsed again.
    if (this.#linksSeen !== '{}') this.#links = lex(text, this.#links).links;
  }

  /** Renders blocks with references again once all definitions are known: a definition may follow its references. */
  #resolve(): number[] {
    const { tokens } = lex(this.#frozenText + this.#tail, Object.create(null));
    const shown = tokens.filter((token) => token.type !== 'space' && token.type !== 'def');
    const changed: number[] = [];
    this.blocks = this.blocks.map((block, index) => {
      const token = shown[index];
      if (!token || !block.hasReferences) return block;
      const html = toHtml([token]);
      if (html === block.html) return block;
      changed.push(index);
      return { ...block, html };
    });
    return changed;
  }

  #openFence(last: Token | undefined): void {
    const start = last?.type === 'code' ? fenceStart.exec(last.raw) : null;
    const mark = start?.[1];
    if (!last || !start || !mark) return;
    const body = this.#tail.length - last.raw.length + start[0].length;
    const char = mark.charAt(0);
    const fence: OpenFence = {
      close: new RegExp(`^ {0,3}${char}{${mark.length},} *$`),
      mayClose: new RegExp(`^ {0,3}${char}* *$`),
      line: body,
      shown: body,
    };
    if (!this.#stillInFence(fence)) return;
    const block = this.blocks.at(-1);
    if (!block) return;
    this.#fence = fence;
    this.blocks = [...this.blocks.slice(0, -1), { ...block, open: { text: '' } }];
    this.#grow(fence);
  }
}

function hasReference(token: Token): boolean {
  return token.type !== 'code' && token.raw.includes('[');
}

/**
 * Returns the number of leading tokens that later text cannot change: those before a token that follows a blank line,
 * is not indented, and whose first line is complete.
 */
function stableTokens(tokens: readonly Token[]): number {
  let stable = 0;
  for (let index = 1; index < tokens.length; index += 1) {
    const token = tokens[index];
    const previous = tokens[index - 1];
    if (!token || !previous) break;
    if (previous.type === 'def' ? /^\s*["'(]/.test(token.raw) : definitionLike.test(previous.raw)) break;
    if (token.type === 'space' || /^\s/.test(token.raw)) continue;
    const lineComplete = index < tokens.length - 1 || token.raw.includes('\n');
    if (lineComplete && /\n[ \t]*\n$/.test(previous.raw)) stable = index;
  }
  return stable;
}

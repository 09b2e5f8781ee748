import type { Token } from 'marked';
import { type LinkTable, lex, toHtml } from './render.ts';

/** One top-level block of a text: a paragraph, a list, a code block. */
export interface Block {
  readonly raw: string;
  /** The same raw text can be read in two ways, depending on what follows: type and text tell which. */
  readonly reading: string;
  /** Not yet sanitised. */
  readonly html: string;
  /** It may hold a reference to a link that is defined elsewhere. */
  readonly refs: boolean;
  /** A code block that is still being written: its text so far. `html` shows the same. */
  readonly open?: { readonly text: string };
}

/** What an append changed, in terms of `blocks`. */
export type Change =
  | { readonly kind: 'none' }
  /** The last block is an open code block and only got longer. */
  | { readonly kind: 'code'; readonly text: string }
  /** Everything from `first` on is new or gone, and so is each of `also` before it. */
  | { readonly kind: 'blocks'; readonly first: number; readonly also: readonly number[] };

interface OpenFence {
  /** Matches the line that closes it. */
  readonly close: RegExp;
  /** Matches the beginning of a line that may yet become one. */
  readonly maybe: RegExp;
  /** Where in the tail the first line not yet looked at starts. */
  line: number;
  /** Where in the tail the text not yet shown starts. */
  shown: number;
}

const none: Change = { kind: 'none' };
const fenceStart = /^(`{3,}(?=[^`\n]*\n)|~{3,})[^\n]*\n/;
/** Something that later text may still turn into a link definition with a title over many lines. */
const definitionLike = /^ {0,3}\[[^\]]*\]:/;

/**
 * Markdown that arrives in pieces, as top-level blocks. A block that later text cannot change any
 * more is frozen and never parsed again; only the tail behind the frozen ones is. After
 * `finish()` the blocks equal those of the whole text parsed at once, however it was cut.
 */
export class BlockStream {
  blocks: readonly Block[] = [];
  #frozen = 0;
  #tail = '';
  #links: LinkTable = Object.create(null);
  #frozenText = '';
  /** The links that the tail was parsed with, its own included. */
  #linksSeen = '{}';
  #hadLinks = false;
  #fence: OpenFence | null = null;
  /** A `\r` at the very end: whether it is half of a line break is not known yet. */
  #heldReturn = false;
  #finished = false;

  /** Adds text at the end. */
  append(text: string): Change {
    if (text === '' || this.#finished) return none;
    let added = this.#heldReturn ? `\r${text}` : text;
    this.#heldReturn = added.endsWith('\r');
    if (this.#heldReturn) added = added.slice(0, -1);
    if (added.includes('\r')) added = added.replace(/\r\n|\r/g, '\n');
    this.#tail += added;
    return this.#fence && this.#stillInFence(this.#fence) ? this.#grow(this.#fence) : this.#parseTail();
  }

  /** No more text will come. */
  finish(): Change {
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

  #grow(fence: OpenFence): Change {
    const last = this.#tail.slice(fence.line);
    const end = fence.maybe.test(last) ? fence.line : this.#tail.length;
    if (end <= fence.shown) return none;
    const text = this.#tail.slice(fence.shown, end);
    fence.shown = end;
    const block = this.blocks.at(-1);
    if (block?.open) this.blocks = [...this.blocks.slice(0, -1), { ...block, open: { text: block.open.text + text } }];
    return { kind: 'code', text };
  }

  #parseTail(): Change {
    this.#fence = null;
    const { tokens, links } = lex(this.#tail, this.#links);
    const linksNow = JSON.stringify(links);
    const sameLinks = linksNow === this.#linksSeen;
    this.#linksSeen = linksNow;
    this.#hadLinks ||= linksNow !== '{}';
    const change = this.#take(tokens, this.#frozen, sameLinks);
    if (this.#finished) return change;
    this.#freeze(tokens);
    this.#openFence(tokens.at(-1));
    return change;
  }

  /** Makes the blocks from `start` on those of the tokens, and keeps what is the same. */
  #take(tokens: readonly Token[], start: number, sameLinks: boolean): Change {
    const before = this.blocks;
    const blocks = before.slice(0, start);
    let first = -1;
    for (const token of tokens) {
      if (token.type === 'space' || token.type === 'def') continue;
      const { raw } = token;
      const reading = 'text' in token ? `${token.type} ${token.text}` : token.type;
      const old = before[blocks.length];
      const same = old?.raw === raw && old.reading === reading && !old.open && (sameLinks || !old.refs);
      if (first < 0 && !same) first = blocks.length;
      blocks.push(old && first < 0 ? old : { raw, reading, html: toHtml([token]), refs: hasReference(token) });
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
    // Definitions in the part that is frozen now; the tail's own are still to come.
    if (this.#linksSeen !== '{}') this.#links = lex(text, this.#links).links;
  }

  /** A definition may stand behind its references: with all of them known, those blocks are made again. */
  #resolve(): number[] {
    const { tokens } = lex(this.#frozenText + this.#tail, Object.create(null));
    const shown = tokens.filter((token) => token.type !== 'space' && token.type !== 'def');
    const changed: number[] = [];
    this.blocks = this.blocks.map((block, index) => {
      const token = shown[index];
      if (!token || !block.refs) return block;
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
      maybe: new RegExp(`^ {0,3}${char}* *$`),
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
 * How many tokens from the start no later text can change: those before a token that stands
 * behind a blank line, is not indented, and whose first line is complete.
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

import { t } from '../l10n.ts';
import { BlockStream, type BlockUpdate, type MarkdownBlock } from './blocks.ts';
import { type CodeBlock, decorateCodeBlocks, OpenCode } from './code-block.ts';
import { sanitize } from './sanitize.ts';

/**
 * Adds controls to a complete code block, whose 1-based number in its text is `nth`. Returns a function that removes
 * them. Called again whenever the block is rendered again.
 */
export type MountCode = (block: CodeBlock, nth: number) => (() => void) | undefined;

/** The controls in the code blocks of an element. */
interface MountedControls {
  readonly count: number;
  readonly undo: readonly (() => void)[];
}

/** Maximum time to build blocks before the page may paint, in milliseconds. */
const sliceMs = 12;

let currentEnd = 0;

/** Returns the end of the current time slice, which is shared by all views. */
function sliceEnd(): number {
  if (currentEnd === 0) {
    currentEnd = performance.now() + sliceMs;
    setTimeout(() => {
      currentEnd = 0;
    }, 0);
  }
  return currentEnd;
}

/** Renders Markdown in an element, and updates it as the text grows. Only changed blocks touch the DOM. */
export class MarkdownView {
  readonly #root: HTMLElement;
  #stream = new BlockStream();
  #elements: HTMLElement[] = [];
  #text = '';
  #openCode: OpenCode | null = null;
  /** Whether the text is complete. */
  #complete = false;
  #pending: ReturnType<typeof setTimeout> | undefined;
  readonly #mountCode: MountCode | undefined;
  readonly #mounted = new Map<HTMLElement, MountedControls>();

  constructor(root: HTMLElement, mountCode?: MountCode) {
    this.#root = root;
    this.#mountCode = mountCode;
  }

  /** Renders `text`, which is fast if it extends the previous text. `done` means that the text is complete. */
  update(text: string, done: boolean): void {
    if (this.#complete && text === this.#text) return;
    if (this.#complete || !text.startsWith(this.#text)) this.#restart();
    if (text.length > this.#text.length) {
      const added = text.slice(this.#text.length);
      this.#text = text;
      this.#apply(this.#stream.append(added));
    }
    if (!done) return;
    this.#apply(this.#stream.finish());
    this.#complete = true;
    this.#releaseSource();
  }

  /** Stops building, and removes the controls of all code blocks. */
  dispose(): void {
    clearTimeout(this.#pending);
    for (const element of [...this.#mounted.keys()]) this.#unmount(element);
  }

  #restart(): void {
    this.dispose();
    this.#stream = new BlockStream();
    this.#elements = [];
    this.#text = '';
    this.#openCode = null;
    this.#complete = false;
    this.#root.replaceChildren();
  }

  #apply(change: BlockUpdate): void {
    if (change.kind === 'none') return;
    if (change.kind === 'code') {
      this.#openCode?.append(change.text);
      return;
    }
    const { blocks } = this.#stream;
    for (const index of change.also) {
      const element = this.#elements[index];
      const block = blocks[index];
      if (element && block && index < change.first) this.#fill(element, block);
    }
    for (const element of this.#elements.splice(change.first)) {
      this.#unmount(element);
      element.remove();
    }
    this.#openCode = null;
    this.#build();
  }

  /** Adds elements for the blocks that have none. If it takes long, continues in a later task. */
  #build(): void {
    clearTimeout(this.#pending);
    const { blocks } = this.#stream;
    const end = sliceEnd();
    while (this.#elements.length < blocks.length) {
      const block = blocks[this.#elements.length];
      if (!block) break;
      const element = document.createElement('div');
      element.className = 'block';
      element.dir = 'auto';
      this.#root.append(element);
      this.#elements.push(element);
      this.#fill(element, block);
      if (performance.now() > end) {
        this.#pending = setTimeout(() => this.#build(), 0);
        return;
      }
    }
    this.#releaseSource();
  }

  /** Releases the parsed blocks once everything is in the page. */
  #releaseSource(): void {
    if (!this.#complete || this.#elements.length < this.#stream.blocks.length) return;
    this.#stream = new BlockStream();
    this.#elements = [];
  }

  #fill(element: HTMLElement, block: MarkdownBlock): void {
    const fragment = sanitize(block.html);
    for (const link of fragment.querySelectorAll('a')) {
      const href = link.getAttribute('href');
      if (!href) link.replaceWith(...link.childNodes);
      else if (!link.title) link.title = href;
    }
    for (const table of fragment.querySelectorAll<HTMLElement>('.table')) {
      table.tabIndex = 0;
      table.setAttribute('role', 'group');
      table.setAttribute('aria-label', t('Table'));
    }
    for (const task of fragment.querySelectorAll('.task')) {
      task.setAttribute('role', 'img');
      task.setAttribute('aria-label', task.classList.contains('task-done') ? t('Done') : t('Not done'));
    }
    const codes = decorateCodeBlocks(fragment, !block.open);
    if (block.open) {
      const code = fragment.querySelector('code');
      if (code) {
        this.#openCode = new OpenCode(code);
        this.#openCode.append(block.open.text);
      }
    }
    this.#unmount(element);
    element.replaceChildren(fragment);
    if (this.#mountCode && codes.length > 0 && !block.open) this.#mount(element, codes, this.#mountCode);
  }

  #mount(element: HTMLElement, codes: readonly CodeBlock[], mountCode: MountCode): void {
    let nth = 0;
    for (const before of this.#elements.slice(0, this.#elements.indexOf(element))) {
      nth += this.#mounted.get(before)?.count ?? 0;
    }
    const undo = codes.flatMap((code) => mountCode(code, ++nth) ?? []);
    this.#mounted.set(element, { count: codes.length, undo });
  }

  #unmount(element: HTMLElement): void {
    for (const undo of this.#mounted.get(element)?.undo ?? []) undo();
    this.#mounted.delete(element);
  }
}

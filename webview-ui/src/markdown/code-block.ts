import { type Language, languageOf } from '@devlm/protocol/execution.ts';
import { t } from '../l10n.ts';
import { highlightLater } from './highlight.ts';
import { languageName } from './languages.ts';

/** Maximum number of lines in each part of an open code block, so that an append only lays out that many again. */
const maxLinesPerPart = 30;

function button(action: string, icon: string, label: string): HTMLButtonElement {
  const element = document.createElement('button');
  element.type = 'button';
  element.className = `icon-button codicon codicon-${icon}`;
  element.title = label;
  element.setAttribute('aria-label', label);
  element.dataset['code'] = action;
  return element;
}

function language(code: Element): string {
  return [...code.classList].find((name) => name.startsWith('language-'))?.slice('language-'.length) ?? '';
}

/** A code block in the page, to which other parts add controls. */
export interface CodeBlock {
  readonly frame: HTMLElement;
  /** Title in the header, which the buttons follow. */
  readonly title: HTMLElement;
  /** Name of the language, or "Code". */
  readonly label: string;
  /** The sandbox's name for the language, or null if the sandbox cannot run it. */
  readonly language: Language | null;
  code(): string;
}

/**
 * Adds a header with the language and the buttons (see `codeAction`) to every code block below `root`, and highlights
 * complete ones. Returns the code blocks in their order.
 */
export function decorateCodeBlocks(root: ParentNode, complete: boolean): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  for (const pre of root.querySelectorAll('pre')) {
    const code = pre.querySelector('code');
    const name = code ? language(code) : '';
    const label = name === '' ? t('Code') : (languageName(name) ?? name);
    const frame = document.createElement('div');
    frame.className = 'code-block';
    frame.dir = 'ltr';
    frame.dataset['language'] = name;
    const head = document.createElement('div');
    head.className = 'code-head';
    const title = document.createElement('span');
    title.className = 'code-language';
    title.textContent = name === '' ? '' : label;
    head.append(
      title,
      button('insert', 'insert', t('Insert at Cursor')),
      button('new-file', 'new-file', t('New File with This Code')),
      button('copy', 'copy', t('Copy Code')),
    );
    pre.replaceWith(frame);
    frame.append(head, pre);
    // A scrolling area has to be reachable by keyboard.
    pre.tabIndex = 0;
    pre.setAttribute('role', 'group');
    pre.setAttribute('aria-label', name === '' ? t('Code') : t('Code, {0}', label));
    if (code && complete) highlightLater(code, name);
    blocks.push({ frame, title, label, language: languageOf(name), code: () => codeOf(pre) });
  }
  return blocks;
}

/** Returns the text of a code block without its final line break. */
function codeOf(pre: Element): string {
  return (pre.textContent ?? '').replace(/\n$/, '');
}

/** Returns the action of a click on a code block's button, or null for any other target. */
export function codeAction(target: Element): { action: string; code: string; language: string } | null {
  const button = target.closest<HTMLElement>('[data-code]');
  const frame = button?.closest<HTMLElement>('.code-block');
  const pre = frame?.querySelector('pre');
  if (!button || !frame || !pre) return null;
  return {
    action: button.dataset['code'] ?? '',
    code: codeOf(pre),
    language: frame.dataset['language'] ?? '',
  };
}

/** Appends text to a code block that is still being written. */
export class OpenCode {
  readonly #code: Element;
  #part: Text | null = null;
  #lines = 0;

  constructor(code: Element) {
    this.#code = code;
    code.replaceChildren();
  }

  /** Appends text. */
  append(text: string): void {
    let rest = text;
    while (rest !== '') {
      if (!this.#part || this.#lines >= maxLinesPerPart) this.#newPart();
      // Take as many lines as the part still has room for.
      let end = 0;
      while (this.#lines < maxLinesPerPart) {
        const line = rest.indexOf('\n', end);
        if (line < 0) {
          end = rest.length;
          break;
        }
        end = line + 1;
        this.#lines += 1;
      }
      this.#part?.appendData(rest.slice(0, end));
      rest = rest.slice(end);
    }
  }

  #newPart(): void {
    const part = document.createElement('span');
    part.className = 'code-part';
    this.#part = document.createTextNode('');
    part.append(this.#part);
    this.#code.append(part);
    this.#lines = 0;
  }
}

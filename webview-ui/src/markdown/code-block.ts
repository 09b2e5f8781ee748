import { type Language, languageOf } from '@devlm/protocol/execution.ts';
import { t } from '../l10n.ts';
import { highlightLater } from './highlight.ts';
import { languageName } from './languages.ts';

/** Lines of an open code block in one piece: appending lays out no more than this again. */
const linesPerPart = 30;

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

/** A code block in the page, as far as others add to it. */
export interface CodeBlock {
  readonly frame: HTMLElement;
  /** In the header; buttons follow it. */
  readonly title: HTMLElement;
  /** The language's own name, or "Code". */
  readonly label: string;
  /** What the sandbox calls it; null when it is none that could be run. */
  readonly language: Language | null;
  code(): string;
}

/**
 * Gives every code block below `root` its header with the language and the buttons (see
 * `codeAction`), and colours those that are complete. Answers them
 * in their order.
 */
export function dressCodeBlocks(root: ParentNode, complete: boolean): CodeBlock[] {
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

/** The text of a code block without the line break that every fence ends with. */
function codeOf(pre: Element): string {
  return (pre.textContent ?? '').replace(/\n$/, '');
}

/** What a click on a code block's button asks for; null for any other target. */
export function codeAction(target: Element): { action: string; code: string; language: string } | null {
  const pressed = target.closest<HTMLElement>('[data-code]');
  const frame = pressed?.closest<HTMLElement>('.code-block');
  const pre = frame?.querySelector('pre');
  if (!pressed || !frame || !pre) return null;
  return {
    action: pressed.dataset['code'] ?? '',
    code: codeOf(pre),
    language: frame.dataset['language'] ?? '',
  };
}

/** The text of a code block that is still being written. */
export class OpenCode {
  readonly #code: Element;
  #part: Text | null = null;
  #lines = 0;

  constructor(code: Element) {
    this.#code = code;
    code.replaceChildren();
  }

  append(text: string): void {
    let rest = text;
    while (rest !== '') {
      if (!this.#part || this.#lines >= linesPerPart) this.#newPart();
      // As many lines as the part still takes.
      let end = 0;
      while (this.#lines < linesPerPart) {
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

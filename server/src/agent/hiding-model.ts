import { mapTexts } from '../actions/secrets/hidden-event.ts';
import { minCachedChars, type Secrets } from '../actions/secrets/secrets.ts';
import type { Model, ModelContent, ModelEvent, ModelRequest } from '../llm/model.ts';

/** Texts that are kept as they were found to be safe to send. */
const mostKept = 5_000;

/**
 * The last line: what is sent to the model is looked through once more, whatever it was made of. Every step sends
 * what the one before it did, so a text that is known is not looked through again.
 */
export class HidingModel implements Model {
  readonly #model: Model;
  readonly #secrets: Secrets;
  /** Long texts, and what they are without credentials, as of the version. */
  readonly #kept = new Map<string, string>();
  #version: number;

  constructor(model: Model, secrets: Secrets) {
    this.#model = model;
    this.#secrets = secrets;
    this.#version = secrets.version;
  }

  models(signal: AbortSignal): ReturnType<Model['models']> {
    return this.#model.models(signal);
  }

  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent> {
    return this.#model.stream(this.#hideRequest(request), signal);
  }

  #hideRequest(request: ModelRequest): ModelRequest {
    if (this.#secrets.version !== this.#version) this.#kept.clear();
    this.#version = this.#secrets.version;
    const hidden = {
      ...request,
      system: this.#hide(request.system),
      messages: request.messages.map(({ role, content }) => ({
        role,
        content: content.map((part) => this.#hideContent(part)),
      })),
      tools: request.tools.map((tool) => ({ ...tool, description: this.#hide(tool.description) })),
    };
    // What was found in one text may stand in an earlier one. The second time there is nothing to learn.
    return this.#secrets.version === this.#version ? hidden : this.#hideRequest(hidden);
  }

  #hideContent(content: ModelContent): ModelContent {
    switch (content.type) {
      case 'text':
      case 'tool_result':
        return { ...content, text: this.#hide(content.text) };
      case 'tool_call':
        return { ...content, input: mapTexts(content.input, (text) => this.#hide(text)) };
      // Pictures; and what the model or its provider wrote, which has to come back unchanged.
      default:
        return content;
    }
  }

  #hide(text: string): string {
    if (text.length < minCachedChars) return this.#secrets.hide(text);
    const known = this.#kept.get(text);
    if (known !== undefined) return known;
    const hidden = this.#secrets.hide(text);
    if (this.#kept.size >= mostKept) this.#kept.clear();
    this.#kept.set(text, hidden);
    return hidden;
  }
}

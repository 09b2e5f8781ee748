import { mapTexts } from '../actions/secrets/hidden-event.ts';
import { minCachedChars, type Secrets } from '../actions/secrets/secrets.ts';
import type { Model, ModelContent, ModelEvent, ModelRequest } from '../llm/model.ts';

/** Maximum number of texts whose result is cached. */
const maxCachedTexts = 5_000;

/**
 * Model that hides credentials in every request. It is the last line of defense, wherever the texts come from. Every
 * step repeats the texts of the previous step, so the results of long texts are cached.
 */
export class HidingModel implements Model {
  readonly #model: Model;
  readonly #secrets: Secrets;
  /** Long texts, and the same texts without credentials. Valid for the current version of the secrets. */
  readonly #hiddenTexts = new Map<string, string>();
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
    return this.#model.stream(this.hideRequest(request), signal);
  }

  /** Returns the request as `stream` sends it. */
  hideRequest(request: ModelRequest): ModelRequest {
    if (this.#secrets.version !== this.#version) this.#hiddenTexts.clear();
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
    // A credential found in one text may also be in an earlier text, so hide once more. The second pass finds nothing
    // new.
    return this.#secrets.version === this.#version ? hidden : this.hideRequest(hidden);
  }

  #hideContent(content: ModelContent): ModelContent {
    switch (content.type) {
      case 'text':
      case 'tool_result':
        return { ...content, text: this.#hide(content.text) };
      case 'tool_call':
        return { ...content, input: mapTexts(content.input, (text) => this.#hide(text)) };
      // Images and blocks that the model or its provider wrote stay as they are, because they must be sent back
      // unchanged.
      default:
        return content;
    }
  }

  #hide(text: string): string {
    if (text.length < minCachedChars) return this.#secrets.hide(text);
    const known = this.#hiddenTexts.get(text);
    if (known !== undefined) return known;
    const hidden = this.#secrets.hide(text);
    if (this.#hiddenTexts.size >= maxCachedTexts) this.#hiddenTexts.clear();
    this.#hiddenTexts.set(text, hidden);
    return hidden;
  }
}

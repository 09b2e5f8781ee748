import { mapTexts } from '../actions/secrets/hidden-event.ts';
import { keptChars, type Secrets } from '../actions/secrets/secrets.ts';
import type { Model, ModelContent, ModelRequest } from '../llm/model.ts';

/** Texts that are kept as they were found to be safe to send. */
const mostKept = 5_000;

/**
 * The last line: what is sent to the model is looked through once more, whatever it was made of. Every step sends
 * what the one before it did, so a text that is known is not looked through again.
 */
export function hidingModel(model: Model, secrets: Secrets): Model {
  const kept = new Map<string, string>();
  let version = secrets.version;
  const hide = (text: string): string => {
    if (text.length < keptChars) return secrets.hide(text);
    const known = kept.get(text);
    if (known !== undefined) return known;
    const hidden = secrets.hide(text);
    if (kept.size >= mostKept) kept.clear();
    kept.set(text, hidden);
    return hidden;
  };
  const hideContent = (content: ModelContent): ModelContent => {
    switch (content.type) {
      case 'text':
      case 'tool_result':
        return { ...content, text: hide(content.text) };
      case 'tool_call':
        return { ...content, input: mapTexts(content.input, hide) };
      // Pictures; and what the model or its provider wrote, which has to come back unchanged.
      default:
        return content;
    }
  };
  const hideRequest = (request: ModelRequest): ModelRequest => {
    if (secrets.version !== version) kept.clear();
    version = secrets.version;
    const hidden = {
      ...request,
      system: hide(request.system),
      messages: request.messages.map(({ role, content }) => ({ role, content: content.map(hideContent) })),
      tools: request.tools.map((tool) => ({ ...tool, description: hide(tool.description) })),
    };
    // What was found in one text may stand in an earlier one. The second time there is nothing to learn.
    return secrets.version === version ? hidden : hideRequest(hidden);
  };
  return {
    models: (signal) => model.models(signal),
    stream: (request, signal) => model.stream(hideRequest(request), signal),
  };
}

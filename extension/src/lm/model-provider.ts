import { ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';
import * as z from 'zod';
import { withSignal } from '../cancellation.ts';
import { section } from '../settings.ts';
import type { AnswerPart, ChatModels, OfferedModel } from './chat-models.ts';
import type { ChatMessage, ChatPart } from './messages-request.ts';
import { modelVendor } from './names.ts';

/** Setting that enables the models, below `devlm`. */
const setting = 'languageModels.offer';

/** Shape of an image part, whose class does not exist in the oldest supported editor. */
const ImagePart = z.object({
  mimeType: z.string().regex(/^image\/(png|jpeg|gif|webp)$/),
  data: z.instanceof(Uint8Array),
});
const TextPart = z.object({ value: z.string() });

/** Access to the models that are offered. */
export interface OfferedModels {
  readonly models: () => Promise<ChatModels>;
  /** Returns whether the models can be listed without prompting the user. */
  readonly known: () => Promise<boolean>;
  /** Fires when the list of models may have changed. */
  readonly changed: vscode.Event<void>;
}

/** Offers the server's models to VS Code's own chat and to other extensions while the setting is enabled. */
export function offerModels(offered: OfferedModels): vscode.Disposable {
  let registered: vscode.Disposable | undefined;
  const update = () => {
    const isEnabled = vscode.workspace.getConfiguration(section).get(setting, true);
    if (isEnabled) registered ??= vscode.lm.registerLanguageModelChatProvider(modelVendor, new ModelProvider(offered));
    else {
      registered?.dispose();
      registered = undefined;
    }
  };
  update();
  const listener = vscode.workspace.onDidChangeConfiguration((event) => {
    if (event.affectsConfiguration(`${section}.${setting}`)) update();
  });
  return vscode.Disposable.from(listener, { dispose: () => registered?.dispose() });
}

type Information = vscode.LanguageModelChatInformation;

class ModelProvider implements vscode.LanguageModelChatProvider {
  readonly onDidChangeLanguageModelChatInformation: vscode.Event<void>;
  readonly #offered: OfferedModels;

  constructor(offered: OfferedModels) {
    this.#offered = offered;
    this.onDidChangeLanguageModelChatInformation = offered.changed;
  }

  async provideLanguageModelChatInformation(
    { silent }: vscode.PrepareLanguageModelChatModelOptions,
    token: vscode.CancellationToken,
  ): Promise<Information[]> {
    // The editor may call this at any time: do not start a server for users who do not use DevLM.
    if (silent && !(await this.#offered.known())) return [];
    const models = await this.#offered.models();
    try {
      return (await withSignal(token, (signal) => models.list(signal))).map(toInformation);
    } catch (error) {
      if (silent) return [];
      throw toLanguageModelError(error);
    }
  }

  async provideLanguageModelChatResponse(
    { id, maxOutputTokens }: Information,
    messages: readonly vscode.LanguageModelChatRequestMessage[],
    { tools = [], toolMode, modelOptions }: vscode.ProvideLanguageModelChatResponseOptions,
    progress: vscode.Progress<vscode.LanguageModelResponsePart>,
    token: vscode.CancellationToken,
  ): Promise<void> {
    const request = {
      model: id,
      maxTokens: maxOutputTokens,
      messages: messages.map(toMessage),
      tools,
      toolRequired: toolMode === vscode.LanguageModelChatToolMode.Required,
      options: modelOptions,
    };
    const models = await this.#offered.models();
    try {
      await withSignal(token, (signal) => models.respond(request, (part) => progress.report(toPart(part)), signal));
    } catch (error) {
      throw toLanguageModelError(error);
    }
  }

  async provideTokenCount(
    { id }: Information,
    text: string | vscode.LanguageModelChatRequestMessage,
    token: vscode.CancellationToken,
  ): Promise<number> {
    const message: ChatMessage =
      typeof text === 'string' ? { role: 'user', parts: [{ kind: 'text', text }] } : toMessage(text);
    const models = await this.#offered.models();
    return await withSignal(token, (signal) => models.count(id, message, signal));
  }
}

function toInformation({ id, name, family, maxInputTokens, maxOutputTokens }: OfferedModel): Information {
  return {
    id,
    name,
    family,
    version: id,
    maxInputTokens,
    maxOutputTokens,
    tooltip: vscode.l10n.t('Provided by the DevLM server'),
    capabilities: { imageInput: true, toolCalling: true },
  };
}

function toPart(part: AnswerPart): vscode.LanguageModelResponsePart {
  return part.kind === 'text'
    ? new vscode.LanguageModelTextPart(part.text)
    : new vscode.LanguageModelToolCallPart(part.callId, part.name, part.input);
}

function toMessage({ role, content }: vscode.LanguageModelChatRequestMessage): ChatMessage {
  const roles = {
    [vscode.LanguageModelChatMessageRole.User]: 'user',
    [vscode.LanguageModelChatMessageRole.Assistant]: 'assistant',
  } as const;
  // The system role does not exist in the oldest supported editor.
  return { role: roles[role] ?? 'system', parts: content.flatMap(toChatParts) };
}

function toChatParts(part: unknown): ChatPart[] {
  if (part instanceof vscode.LanguageModelTextPart) return [{ kind: 'text', text: part.value }];
  if (part instanceof vscode.LanguageModelToolCallPart)
    return [{ kind: 'call', callId: part.callId, name: part.name, input: part.input }];
  if (part instanceof vscode.LanguageModelToolResultPart)
    return [{ kind: 'result', callId: part.callId, content: part.content.flatMap(toChatParts) }];
  const image = ImagePart.safeParse(part);
  if (image.success) return [{ kind: 'image', mediaType: image.data.mimeType, data: image.data.data }];
  const text = TextPart.safeParse(part);
  return text.success ? [{ kind: 'text', text: text.data.value }] : [];
}

/** Converts a problem to the editor's own error classes, which callers check. */
function toLanguageModelError(error: unknown): unknown {
  if (!(error instanceof ProblemError)) return error;
  const { status, detail } = error.problem;
  if (status === 401 || status === 403) return vscode.LanguageModelError.NoPermissions(detail);
  if (status === 404) return vscode.LanguageModelError.NotFound(detail);
  if (status === 402 || status === 422 || status === 429) return vscode.LanguageModelError.Blocked(detail);
  return new Error(detail, { cause: error });
}

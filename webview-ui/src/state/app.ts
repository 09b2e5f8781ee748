import type { PageCommand, PageSettings, ServerState } from '@devlm/protocol/page.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import { computed, signal } from '@preact/signals';
import { problemOf, transport } from '../transport.ts';

/* State that does not belong to a conversation: the server, the settings, the current screen. */

/** State of the server. */
export const server = signal<ServerState>({ state: 'idle' });
/** Settings of the page. */
export const settings = signal<PageSettings>({
  enterSends: true,
  showCost: true,
  expandThinking: false,
  restricted: false,
});
/** Id of the window's project. Null without a workspace folder. */
export const projectId = signal<string | null>(null);
/** The current screen. */
export const screen = signal<'loading' | 'chat' | 'history' | 'usage'>('loading');

/** A short message at the bottom of the page. */
export interface Toast {
  readonly text: string;
  readonly kind: 'info' | 'error';
  readonly action?: { readonly label: string; readonly run: () => void };
}
/** The current toast. */
export const toast = signal<Toast | null>(null);

/** Shows a toast, replacing the current one. */
export function showToast(text: string, action?: Toast['action'], kind: Toast['kind'] = 'info'): void {
  toast.value = { text, kind, action };
}

/** Shows an error as a toast. */
function showError(error: unknown): void {
  showToast(problemOf(error).detail, undefined, 'error');
}

/** Text that screen readers announce next. */
export const announcement = signal('');

/** The available models. Null until they are loaded. */
export const models = signal<{ readonly list: readonly ModelInfo[]; readonly default: string } | null>(null);
/** Id of the model for the next message. Null means the server's default. */
export const pickedModel = signal<string | null>(null);
/** Whether the next message asks the model to think. */
export const thinking = signal(false);

/** The model for the next message, or null if it is unknown. */
export const model = computed<ModelInfo | null>(() => {
  const id = pickedModel.value ?? models.value?.default;
  return models.value?.list.find((entry) => entry.id === id) ?? null;
});

let loadingModels: Promise<void> | null = null;

/** Loads the list of models. If that fails, the previous list stays in use. */
export function loadModels(): Promise<void> {
  loadingModels ??= transport
    .call('models.list', {})
    .then((answer) => {
      models.value = { list: answer.models, default: answer.default };
    })
    .finally(() => {
      loadingModels = null;
    });
  return loadingModels;
}

/** Runs an action of the user, and shows an error if it fails. */
export async function attempt(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    showError(error);
  }
}

/** Runs a command of DevLM in the editor. */
export function runCommand(command: PageCommand): void {
  void attempt(() => transport.editor({ action: 'command', command }));
}

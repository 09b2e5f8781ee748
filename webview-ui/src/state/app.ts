import type { PageCommand, PageSettings, ServerState } from '@devlm/protocol/page.ts';
import type { ModelInfo } from '@devlm/protocol/views.ts';
import { computed, signal } from '@preact/signals';
import { problemOf, transport } from '../transport.ts';

/** What is not about one conversation: the server, the settings, what covers the page. */

export const server = signal<ServerState>({ state: 'idle' });
export const settings = signal<PageSettings>({
  enterSends: true,
  showCost: true,
  expandThinking: false,
  restricted: false,
});
export const projectId = signal<string | null>(null);
export const screen = signal<'loading' | 'chat' | 'history' | 'usage'>('loading');

export interface Toast {
  readonly text: string;
  readonly kind: 'info' | 'error';
  readonly action?: { readonly label: string; readonly run: () => void };
}
export const toast = signal<Toast | null>(null);

/** Shows a sentence for a while; a later one takes its place. */
export function showToast(text: string, action?: Toast['action'], kind: Toast['kind'] = 'info'): void {
  toast.value = { text, kind, action };
}

/** Shows what went wrong. */
function showError(error: unknown): void {
  showToast(problemOf(error).detail, undefined, 'error');
}

/** What a screen reader is told next. */
export const announcement = signal('');

export const models = signal<{ readonly list: readonly ModelInfo[]; readonly default: string } | null>(null);
/** The model picked for the next message; null follows the server's default. */
export const pickedModel = signal<string | null>(null);
export const thinking = signal(false);

/** The model the next message goes to, as far as it is known. */
export const model = computed<ModelInfo | null>(() => {
  const id = pickedModel.value ?? models.value?.default;
  return models.value?.list.find((entry) => entry.id === id) ?? null;
});

let loadingModels: Promise<void> | null = null;

/** Reads the list of models; a list read before stays in use when that fails. */
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

/** Runs something the person asked for and shows what went wrong with it. */
export async function attempt(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    showError(error);
  }
}

/** Runs one of DevLM's commands in the editor. */
export function runCommand(command: PageCommand): void {
  void attempt(() => transport.editor({ action: 'command', command }));
}

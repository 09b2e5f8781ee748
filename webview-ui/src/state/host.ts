import type { PageSettings, SavedView } from '@devlm/protocol/page.ts';
import { useStrings } from '../l10n.ts';
import { type PushedMessage, transport } from '../transport.ts';
import {
  exportConversation,
  focusComposer,
  newConversation,
  resume,
  sendTask,
  showConversation,
  showSentRequests,
  stop,
} from './actions.ts';
import { loadModels, models, pickedModel, projectId, screen, server, settings, thinking } from './app.ts';
import { watchAsks } from './asks.ts';
import {
  beginConversation,
  closeConversation,
  openConversation,
  receiveEvents,
  reconnect,
  summary,
  whenOpened,
} from './conversation.ts';
import { attach, flushView, restoreView, switchDraft } from './drafts.ts';
import { applyChange } from './history.ts';
import { executionEnded, receiveExecution, watchRuns } from './runs.ts';

/** Connects the state of the page with the extension. */
export function connect(): void {
  watchRuns();
  watchAsks();
  transport.start(receive);
  window.addEventListener('pagehide', flushView);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) flushView();
  });
}

function receive(message: PushedMessage): void {
  switch (message.kind) {
    case 'hello':
      useStrings(message.strings);
      settings.value = message.settings;
      projectId.value = message.projectId;
      restoreView(message.view);
      screen.value = 'chat';
      setServer(message.server);
      resumeView(message.view);
      break;
    case 'events':
      receiveEvents(message.conversationId, message.events);
      break;
    case 'execution':
      receiveExecution(message);
      break;
    case 'server':
      setServer(message.server);
      break;
    case 'settings':
      applyDefaults(message.settings);
      settings.value = message.settings;
      break;
    case 'notice':
      if (message.notice.type === 'execution.ended') executionEnded(message.notice.record);
      if (message.notice.type === 'conversation.changed') {
        const changed = message.notice.conversation;
        applyChange(changed);
        if (changed.id === summary.value?.id) {
          // The conversation was deleted, here or in another window.
          if (changed.deletedAt !== null) {
            closeConversation();
            switchDraft(null);
          } else summary.value = changed;
        }
      }
      break;
    case 'do':
      handleRequest(message);
      break;
  }
}

function setServer(next: typeof server.value): void {
  const before = server.value;
  server.value = next;
  if (next.state !== 'ready') return;
  if (before.state !== 'ready') reconnect();
  // Another key may have access to other models.
  if (models.value === null || before.key !== next.key) void loadModels().catch(() => undefined);
}

/** Continues where the page was when it was lost. */
function resumeView({ conversationId, outbox = [] }: SavedView): void {
  if (conversationId !== null) {
    if (outbox.some((message) => message.begins && message.conversationId === conversationId))
      beginConversation(conversationId);
    else void openConversation(conversationId);
  }
  void resume(outbox);
}

function handleRequest(message: Extract<PushedMessage, { kind: 'do' }>): void {
  switch (message.what) {
    case 'newConversation':
      newConversation();
      break;
    case 'showHistory':
      screen.value = 'history';
      break;
    case 'showUsage':
      screen.value = 'usage';
      break;
    case 'focusInput':
      screen.value = 'chat';
      focusComposer();
      break;
    case 'stop':
      // The page may only just have loaded for this request.
      void whenOpened().then(stop);
      break;
    case 'exportConversation':
      void whenOpened().then(exportConversation);
      break;
    case 'showSentRequests':
      void whenOpened().then(showSentRequests);
      break;
    case 'openConversation':
      // Open it even if it is shown already: the log may have been replaced.
      showConversation(message.conversationId);
      break;
    case 'task':
      void sendTask(message.answer);
      break;
    case 'attach':
      screen.value = 'chat';
      attach(message.files);
      focusComposer();
      break;
  }
}

/** Applies defaults that have changed in the settings. Otherwise the user's choices in the page stay. */
function applyDefaults({ defaults }: PageSettings): void {
  const before = settings.value.defaults;
  if (!defaults || (defaults.model === before?.model && defaults.thinking === before?.thinking)) return;
  pickedModel.value = defaults.model;
  thinking.value = defaults.thinking;
}

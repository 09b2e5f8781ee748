import type { HostToPage, PageSettings, SavedView } from '@devlm/protocol/page.ts';
import { useStrings } from '../l10n.ts';
import { transport } from '../transport.ts';
import {
  exportConversation,
  focusComposer,
  newConversation,
  resume,
  sendTask,
  showConversation,
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

type Pushed = Exclude<HostToPage, { kind: 'reply' }>;

/** Connects the page's state with the extension. */
export function connect(): void {
  watchRuns();
  watchAsks();
  transport.start(receive);
  window.addEventListener('pagehide', flushView);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) flushView();
  });
}

function receive(message: Pushed): void {
  switch (message.kind) {
    case 'hello':
      useStrings(message.strings);
      settings.value = message.settings;
      projectId.value = message.projectId;
      restoreView(message.view);
      screen.value = 'chat';
      setServer(message.server);
      welcome(message.view);
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
          // Deleted, here or in another window.
          if (changed.deletedAt !== null) {
            closeConversation();
            switchDraft(null);
          } else summary.value = changed;
        }
      }
      break;
    case 'do':
      obey(message);
      break;
  }
}

function setServer(next: typeof server.value): void {
  const before = server.value;
  server.value = next;
  if (next.state !== 'ready') return;
  if (before.state !== 'ready') reconnect();
  // Another key may see other models.
  if (models.value === null || before.key !== next.key) void loadModels().catch(() => undefined);
}

/** Goes on where the page was when it was lost. */
function welcome({ conversationId, outbox = [] }: SavedView): void {
  if (conversationId !== null) {
    if (outbox.some((sent) => sent.begins && sent.conversationId === conversationId)) beginConversation(conversationId);
    else void openConversation(conversationId);
  }
  void resume(outbox);
}

function obey(message: Extract<Pushed, { kind: 'do' }>): void {
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
      // The page may only just have been shown for this.
      void whenOpened().then(stop);
      break;
    case 'exportConversation':
      void whenOpened().then(exportConversation);
      break;
    case 'openConversation':
      // Also one that is shown already: the log may be another since it was read.
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

/** A default that was changed in the settings counts from now on; what the person picked since stays otherwise. */
function applyDefaults({ defaults }: PageSettings): void {
  const before = settings.value.defaults;
  if (!defaults || (defaults.model === before?.model && defaults.thinking === before?.thinking)) return;
  pickedModel.value = defaults.model;
  thinking.value = defaults.thinking;
}

import type { HostToPage } from '@devlm/protocol/page.ts';
import { useStrings } from '../l10n.ts';
import { transport } from '../transport.ts';
import { exportConversation, focusComposer, newConversation, showConversation, stop } from './actions.ts';
import { loadModels, models, projectId, screen, server, settings } from './app.ts';
import { openConversation, receiveEvents, reconnect, summary } from './conversation.ts';
import { attach, flushView, restoreView } from './drafts.ts';
import { applyChange } from './history.ts';

type Pushed = Exclude<HostToPage, { kind: 'reply' }>;

/** Connects the page's state with the extension. */
export function connect(): void {
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
      if (message.view.conversationId !== null) void openConversation(message.view.conversationId);
      break;
    case 'events':
      receiveEvents(message.conversationId, message.events);
      break;
    case 'server':
      setServer(message.server);
      break;
    case 'settings':
      settings.value = message.settings;
      break;
    case 'notice':
      if (message.notice.type === 'conversation.changed') {
        const changed = message.notice.conversation;
        applyChange(changed);
        if (changed.id === summary.value?.id) summary.value = changed;
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

function obey(message: Extract<Pushed, { kind: 'do' }>): void {
  switch (message.what) {
    case 'newConversation':
      newConversation();
      break;
    case 'showHistory':
      screen.value = 'history';
      break;
    case 'focusInput':
      screen.value = 'chat';
      focusComposer();
      break;
    case 'stop':
      stop();
      break;
    case 'exportConversation':
      exportConversation();
      break;
    case 'openConversation':
      // Also one that is shown already: the log may be another since it was read.
      showConversation(message.conversationId);
      break;
    case 'attach':
      screen.value = 'chat';
      attach(message.files);
      focusComposer();
      break;
  }
}

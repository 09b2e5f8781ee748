import type { Problem } from '@devlm/protocol/problem.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import { type ReadonlySignal, useComputed } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { t } from '../l10n.ts';
import { codeAction } from '../markdown/code-block.ts';
import { stop } from '../state/actions.ts';
import { attempt, server } from '../state/app.ts';
import {
  conversation,
  jumpToLatest,
  loadingOlder,
  loadNewer,
  loadOlder,
  olderTurn,
  openConversation,
  openCount,
  opening,
  shownTurns,
  windowEnd,
} from '../state/conversation.ts';
import { outgoing } from '../state/outbox.ts';
import { transport } from '../transport.ts';
import { EmptyState } from './empty.tsx';
import { Icon } from './icon.tsx';
import { Mounting } from './mounting.ts';
import { UnconfirmedMessage } from './outgoing.tsx';
import { ProblemCard } from './problem-card.tsx';
import { HiddenMessagesNote } from './restore.tsx';
import { Turn } from './turn.tsx';
import { useStickToEnd } from './use-stick-to-end.ts';

/** Returns whether the banner already shows the problem. The conversation opens by itself when the server is back. */
const isInBanner = ({ detail }: Problem): boolean =>
  server.value.state === 'failed' && server.value.problem?.detail === detail;

/** The conversation. It stays scrolled to its end while text arrives, unless the user has scrolled up. */
export function Transcript() {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const mounting = useMemo(() => new Mounting(), []);
  useLayoutEffect(() => (scroller.current ? mounting.watch(scroller.current) : undefined), []);
  const atEnd = useStickToEnd(scroller, content);
  const away = useComputed(() => !atEnd.value || windowEnd.value !== null);

  const turns = shownTurns.value;
  const older = olderTurn.value;
  const newer = windowEnd.value;
  return (
    <div class="transcript-frame">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: it only listens for what its links and buttons send up */}
      <div
        class={`transcript${atEnd.value ? ' transcript-at-end' : ''}`}
        ref={scroller}
        onClick={onClick}
        onAuxClick={onClick}
        onKeyDown={onKeyDown}
      >
        <div class="transcript-content" ref={content}>
          <Opening isEmpty={turns.length === 0 && outgoing.value.length === 0} />
          {older !== null && (
            <ScrollSentinel key={`older ${older}`} root={scroller} atEnd={atEnd} reached={loadOlder} />
          )}
          {loadingOlder.value && (
            <div class="loading-older">
              <Icon name="loading" spin />
            </div>
          )}
          {turns.length > 0 && <Feed turns={turns} isWhole={older === null} mounting={mounting} />}
          {newer !== null && (
            <ScrollSentinel key={`newer ${newer}`} root={scroller} atEnd={atEnd} reached={loadNewer} />
          )}
          {newer === null && <HiddenMessagesNote />}
          {newer === null &&
            outgoing.value.map((message) => <UnconfirmedMessage key={message.turnId} message={message} />)}
        </div>
      </div>
      {away.value && conversation.value !== null && <ToLatest />}
    </div>
  );
}

/** The state of a conversation without turns, or the problem that prevented it from opening. */
function Opening({ isEmpty }: { isEmpty: boolean }) {
  const opened = opening.value;
  if (!opened) return isEmpty ? <EmptyState /> : null;
  const { id, problem } = opened;
  if (!problem) return isEmpty ? <OpeningNote /> : null;
  return isInBanner(problem) ? null : <ProblemCard problem={problem} retry={() => void openConversation(id)} />;
}

/** Shown only if opening takes noticeably long. */
function OpeningNote() {
  return (
    <div class="opening" role="status">
      <Icon name="loading" spin />
      <span>{t('Opening the conversation...')}</span>
    </div>
  );
}

interface FeedProps {
  turns: readonly TurnState[];
  /** Whether these are all turns from the first one on, so that their number is known. */
  isWhole: boolean;
  mounting: Mounting;
}

function Feed({ turns, isWhole, mounting }: FeedProps) {
  return (
    <div role="feed" aria-label={t('Conversation')} aria-busy={loadingOlder.value}>
      {turns.map((turn, index) => (
        <Turn
          key={turn.id}
          turn={turn}
          mounting={mounting}
          index={index + 1}
          total={isWhole ? turns.length : -1}
          initiallyMounted={index >= turns.length - 2}
        />
      ))}
    </div>
  );
}

function ToLatest() {
  return (
    <button
      type="button"
      class="to-latest"
      onClick={jumpToLatest}
      title={t('Jump to Latest')}
      aria-label={t('Jump to Latest')}
    >
      <Icon name="arrow-down" />
    </button>
  );
}

interface SentinelProps {
  root: { current: HTMLElement | null };
  /** Whether the end is kept in view, so that the scroll position needs no correction. */
  atEnd: ReadonlySignal<boolean>;
  reached(): Promise<void>;
}

/** An invisible element that loads more turns when it comes near the visible area. */
function ScrollSentinel({ root, atEnd, reached }: SentinelProps) {
  const line = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!line.current) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        // At the very top, the browser does not keep the visible content in place when content is added above.
        if (root.current && root.current.scrollTop < 1 && !atEnd.peek()) root.current.scrollTop = 1;
        void attempt(reached);
      },
      { root: root.current, rootMargin: '600px 0px' },
    );
    observer.observe(line.current);
    return () => observer.disconnect();
  }, []);
  return <div class="sentinel" ref={line} />;
}

/** Handles clicks on links and on the buttons of code blocks, for all answers. */
function onClick(event: MouseEvent): void {
  const target = event.target;
  if (!(target instanceof Element)) return;
  const link = target.closest('a[href]');
  if (link) {
    event.preventDefault();
    // The editor's own handler on an outer element would open the link too.
    event.stopPropagation();
    void attempt(() => transport.editor({ action: 'openLink', href: link.getAttribute('href') ?? '' }));
    return;
  }
  const action = event.button === 0 ? codeAction(target) : null;
  if (!action) return;
  if (action.action === 'insert') {
    void attempt(() => transport.editor({ action: 'insertAtCursor', text: action.code }));
  } else if (action.action === 'new-file') {
    const language = action.language.slice(0, 64);
    void attempt(() => transport.editor({ action: 'newFile', text: action.code, language }));
  } else if (action.action === 'copy') {
    void attempt(async () => {
      await transport.editor({ action: 'copy', text: action.code });
      const button = target.closest('button');
      button?.classList.replace('codicon-copy', 'codicon-check');
      setTimeout(() => button?.classList.replace('codicon-check', 'codicon-copy'), 1_500);
    });
  }
}

/** Handles keys: Escape stops the answer; Alt with an arrow key moves from turn to turn. */
function onKeyDown(event: KeyboardEvent): void {
  if (event.key === 'Escape' && openCount.value > 0) stop();
  if (!event.altKey || (event.key !== 'ArrowUp' && event.key !== 'ArrowDown')) return;
  if (!(event.target instanceof Element) || !(event.currentTarget instanceof Element)) return;
  const turns = [...event.currentTarget.querySelectorAll<HTMLElement>('.turn')];
  const at = turns.findIndex((turn) => turn.contains(document.activeElement));
  const next = turns[at + (event.key === 'ArrowUp' ? -1 : 1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

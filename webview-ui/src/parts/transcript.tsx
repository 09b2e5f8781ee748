import type { Problem } from '@devlm/protocol/problem.ts';
import { type ReadonlySignal, useComputed, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { t } from '../l10n.ts';
import { codeAction } from '../markdown/code-block.ts';
import { stop } from '../state/actions.ts';
import { attempt, server } from '../state/app.ts';
import {
  conversation,
  jumps,
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
import { OutgoingMessage } from './outgoing.tsx';
import { ProblemCard } from './problem-card.tsx';
import { SetAside } from './restore.tsx';
import { Turn } from './turn.tsx';

/** Nearer than this to the end, in pixels, counts as being there. */
const nearEnd = 48;
/** After a jump to the end, turns that are laid out late must not look like a person who scrolls up. */
const settleMs = 1_000;
const personEvents = ['wheel', 'keydown', 'pointerdown', 'touchstart'] as const;

/** The banner says it already; once the server is there again, the conversation is opened without being asked. */
const isAbove = ({ detail }: Problem): boolean =>
  server.value.state === 'failed' && server.value.problem?.detail === detail;

/** The conversation: it stays at the end while text arrives, unless the person has scrolled up. */
export function Transcript() {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const mounting = useMemo(() => new Mounting(), []);
  const stickToEnd = useRef<(() => void) | null>(null);
  const atEnd = useSignal(true);
  /** Until then, or until the person does something, what moves is the page that finds its heights. */
  const settles = useRef(0);
  const away = useComputed(() => !atEnd.value || windowEnd.value !== null);

  useLayoutEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (!element || !inner) return;
    let last = 0;
    const toEnd = () => {
      const hasTurns = shownTurns.peek().length + outgoing.peek().length > 0;
      if (hasTurns && atEnd.peek() && windowEnd.peek() === null) element.scrollTop = element.scrollHeight;
    };
    const onScroll = () => {
      const top = element.scrollTop;
      const distance = element.scrollHeight - element.clientHeight - top;
      // Text that arrives also makes the distance grow; only a person goes up.
      if (distance <= nearEnd) atEnd.value = true;
      else if (performance.now() < settles.current) toEnd();
      else if (top < last - 1) atEnd.value = false;
      last = top;
    };
    const byPerson = () => {
      settles.current = 0;
    };
    element.addEventListener('scroll', onScroll, { passive: true });
    for (const name of personEvents) element.addEventListener(name, byPerson, { passive: true });
    stickToEnd.current = toEnd;
    // For all that grows by itself: images, fonts, code that is coloured, the page's own width.
    const observer = new ResizeObserver(toEnd);
    observer.observe(inner);
    observer.observe(element);
    const unwatch = mounting.watch(element);
    return () => {
      element.removeEventListener('scroll', onScroll);
      for (const name of personEvents) element.removeEventListener(name, byPerson);
      observer.disconnect();
      unwatch();
    };
  }, []);

  // Scrolling in the task that changed the text, and not in the frame after it, saves every second frame.
  useLayoutEffect(() => stickToEnd.current?.());

  useSignalEffect(() => {
    if (jumps.value === 0) return;
    atEnd.value = true;
    settles.current = performance.now() + settleMs;
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  });

  const turns = shownTurns.value;
  const older = olderTurn.value;
  const problem = opening.value?.problem;
  const isEmpty = turns.length === 0 && outgoing.value.length === 0;
  const position = (index: number) => ({ index: index + 1, of: older === null ? turns.length : -1 });

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
          {problem && opening.value && !isAbove(problem) && (
            <ProblemCard problem={problem} retry={() => void openConversation(opening.value?.id ?? '')} />
          )}
          {isEmpty && !opening.value && <EmptyState />}
          {isEmpty && opening.value && !problem && <Opening />}
          {older !== null && <Sentinel key={`older ${older}`} root={scroller} atEnd={atEnd} reached={loadOlder} />}
          {loadingOlder.value && (
            <div class="loading-older">
              <Icon name="loading" spin />
            </div>
          )}
          {turns.length > 0 && (
            <div role="feed" aria-label={t('Conversation')} aria-busy={loadingOlder.value}>
              {turns.map((turn, index) => (
                <Turn
                  key={turn.id}
                  turn={turn}
                  mounting={mounting}
                  index={position(index).index}
                  of={position(index).of}
                  built={index >= turns.length - 2}
                />
              ))}
            </div>
          )}
          {windowEnd.value !== null && (
            <Sentinel key={`newer ${windowEnd.value}`} root={scroller} atEnd={atEnd} reached={loadNewer} />
          )}
          {windowEnd.value === null && <SetAside />}
          {windowEnd.value === null &&
            outgoing.value.map((message) => <OutgoingMessage key={message.turnId} message={message} />)}
        </div>
      </div>
      {away.value && conversation.value !== null && (
        <button
          type="button"
          class="to-latest"
          onClick={jumpToLatest}
          title={t('Jump to Latest')}
          aria-label={t('Jump to Latest')}
        >
          <Icon name="arrow-down" />
        </button>
      )}
    </div>
  );
}

/** Said only when opening takes long enough to be noticed. */
function Opening() {
  return (
    <div class="opening" role="status">
      <Icon name="loading" spin />
      <span>{t('Opening the conversation...')}</span>
    </div>
  );
}

interface SentinelProps {
  root: { current: HTMLElement | null };
  /** The end is being kept in view: nothing is to be done about the place. */
  atEnd: ReadonlySignal<boolean>;
  reached(): Promise<void>;
}

/** An invisible line; when it comes near the visible part, more is loaded. */
function Sentinel({ root, atEnd, reached }: SentinelProps) {
  const line = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!line.current) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        // At the very top the browser does not keep what is seen in place when something is put above it.
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

/** Links and the buttons of code blocks, for all answers at once. */
function onClick(event: MouseEvent): void {
  const target = event.target;
  if (!(target instanceof Element)) return;
  const link = target.closest('a[href]');
  if (link) {
    event.preventDefault();
    // The editor's own handler further out opens links too.
    event.stopPropagation();
    void attempt(() => transport.editor({ action: 'openLink', href: link.getAttribute('href') ?? '' }));
    return;
  }
  const asked = event.button === 0 ? codeAction(target) : null;
  if (!asked) return;
  if (asked.action === 'insert') {
    void attempt(() => transport.editor({ action: 'insertAtCursor', text: asked.code }));
  } else if (asked.action === 'new-file') {
    const language = asked.language.slice(0, 64);
    void attempt(() => transport.editor({ action: 'newFile', text: asked.code, language }));
  } else if (asked.action === 'copy') {
    void attempt(async () => {
      await transport.editor({ action: 'copy', text: asked.code });
      const button = target.closest('button');
      button?.classList.replace('codicon-copy', 'codicon-check');
      setTimeout(() => button?.classList.replace('codicon-check', 'codicon-copy'), 1_500);
    });
  }
}

/** Escape stops the answer; Alt and an arrow go from turn to turn, wherever the focus is inside one. */
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

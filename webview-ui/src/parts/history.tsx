import type { ConversationSummary } from '@devlm/protocol/views.ts';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { dayName, dollars, timeAgo } from '../format.ts';
import { t } from '../l10n.ts';
import { showConversation } from '../state/actions.ts';
import { projectId, screen, settings } from '../state/app.ts';
import { conversation } from '../state/conversation.ts';
import { listing, onlyProject, readMore, reload, remove, rename, rows, search, setSearch } from '../state/history.ts';
import { Icon, IconButton } from './icon.tsx';

/** The list of conversations: searched, grouped by day, opened, renamed and deleted. */
export function History() {
  const list = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    input.current?.focus();
    void reload();
  }, []);
  const groups = groupByDay(rows.value);
  const { state, more, problem } = listing.value;

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      screen.value = 'chat';
      return;
    }
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    if (event.target instanceof HTMLInputElement && event.target.type === 'text') return;
    const entries = [...(list.current?.querySelectorAll<HTMLElement>('.row-open') ?? [])];
    const at = entries.findIndex((entry) => entry.closest('.row')?.contains(document.activeElement));
    const next = event.key === 'ArrowDown' ? entries[at + 1] : at <= 0 ? input.current : entries[at - 1];
    if (!next) return;
    event.preventDefault();
    next.focus();
  };

  return (
    <section class="history" aria-label={t('History')} onKeyDown={onKeyDown}>
      <div class="history-search">
        <input
          ref={input}
          type="search"
          class="field"
          placeholder={t('Search conversations')}
          aria-label={t('Search conversations')}
          maxLength={200}
          value={search.value}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
        {projectId.value !== null && (
          <IconButton
            icon="folder"
            label={t('Only This Project')}
            pressed={onlyProject.value}
            onClick={() => {
              onlyProject.value = !onlyProject.value;
              void reload();
            }}
          />
        )}
      </div>
      <div class="history-list" ref={list}>
        {[...groups].map(([day, entries]) => (
          <section key={day} aria-label={day}>
            <h2 class="history-day">{day}</h2>
            <ul>
              {entries.map((row) => (
                <Row key={row.id} row={row} />
              ))}
            </ul>
          </section>
        ))}
        {state === 'failed' && (
          <div class="history-end" role="alert">
            <p>{problem}</p>
            <button type="button" class="button" onClick={() => void reload()}>
              {t('Try Again')}
            </button>
          </div>
        )}
        {state === 'ready' && rows.value.length === 0 && (
          <p class="history-end faint">
            {search.value.trim() === '' ? t('No conversations yet') : t('No results for "{0}"', search.value.trim())}
          </p>
        )}
        {more && <LoadMore key={rows.value.length} />}
      </div>
    </section>
  );
}

function groupByDay(all: readonly ConversationSummary[]): Map<string, ConversationSummary[]> {
  const groups = new Map<string, ConversationSummary[]>();
  for (const row of all) {
    const day = dayName(row.updatedAt);
    const group = groups.get(day);
    if (group) group.push(row);
    else groups.set(day, [row]);
  }
  return groups;
}

/** Loads further rows when it scrolls into view. Also works as a button for users who do not scroll. */
function LoadMore() {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!button.current) return;
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) void readMore();
    });
    observer.observe(button.current);
    return () => observer.disconnect();
  }, []);
  return (
    <button ref={button} type="button" class="link-button history-end" onClick={() => void readMore()}>
      {t('Show more')}
    </button>
  );
}

function Row({ row }: { row: ConversationSummary }) {
  const [renaming, setRenaming] = useState(false);
  const item = useRef<HTMLLIElement>(null);
  const title = row.title || t('New chat');
  const open = () => showConversation(row.id);
  const finish = (name: string | null) => {
    setRenaming(false);
    if (name !== null) void rename(row, name);
    requestAnimationFrame(() => item.current?.querySelector<HTMLElement>('.row-open')?.focus());
  };
  const deleteRow = () => {
    const next = item.current?.nextElementSibling ?? item.current?.previousElementSibling;
    void remove(row).then(() => next?.querySelector<HTMLElement>('.row-open')?.focus());
  };
  if (renaming) {
    return (
      <li class="row" ref={item}>
        <TitleField title={row.title} finish={finish} />
      </li>
    );
  }
  const current = conversation.value?.id === row.id;
  return (
    <li class={`row${current ? ' row-current' : ''}`} ref={item}>
      <button
        type="button"
        class="row-open"
        aria-current={current ? 'true' : undefined}
        onClick={open}
        onKeyDown={(event) => {
          if (event.key === 'F2') setRenaming(true);
          else if (event.key === 'Delete') deleteRow();
          else return;
          event.preventDefault();
        }}
      >
        <span class="row-title" dir="auto">
          {title}
        </span>
        {row.snippet && (
          <span class="row-snippet" dir="auto">
            {row.snippet}
          </span>
        )}
        <span class="row-about">
          {row.busy && <Icon name="loading" spin />}
          {[timeAgo(row.updatedAt), settings.value.showCost && row.costUsd > 0 ? dollars(row.costUsd) : '']
            .filter((part) => part !== '')
            .join(' · ')}
        </span>
      </button>
      <span class="row-tools">
        <IconButton icon="edit" label={t('Rename "{0}"', title)} onClick={() => setRenaming(true)} />
        <IconButton icon="trash" label={t('Delete "{0}"', title)} onClick={deleteRow} />
      </span>
    </li>
  );
}

function TitleField({ title, finish }: { title: string; finish: (name: string | null) => void }) {
  const field = useRef<HTMLInputElement>(null);
  const ended = useRef(false);
  const end = (name: string | null) => {
    if (ended.current) return;
    ended.current = true;
    finish(name);
  };
  useLayoutEffect(() => field.current?.select(), []);
  return (
    <input
      ref={field}
      class="field"
      type="text"
      aria-label={t('New title')}
      maxLength={200}
      defaultValue={title}
      onBlur={(event) => end(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && !event.isComposing) end(event.currentTarget.value);
        else if (event.key === 'Escape') end(null);
        else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    />
  );
}

import type { UsageReport, UsageRow } from '@devlm/protocol/budgets.ts';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { dollars, tokens } from '../format.ts';
import { t } from '../l10n.ts';
import { showConversation } from '../state/actions.ts';
import { screen } from '../state/app.ts';
import { inputTokensOf } from '../state/input-tokens.ts';
import { readUsage, type Span, span, spans, usage } from '../state/usage.ts';

/** Maximum number of rows in a table, the most expensive first. */
const maxRows = 50;

/** Costs of today or of the last days, by chat and by model. */
export function UsageView() {
  useEffect(() => void readUsage(), []);
  const { state, byChat, byModel, problem } = usage.value;
  return (
    <section
      class="usage-view"
      aria-label={t('Usage')}
      aria-busy={state === 'loading'}
      onKeyDown={(event) => {
        if (event.key === 'Escape') screen.value = 'chat';
      }}
    >
      <SpanChoice />
      {state === 'failed' && (
        <div role="alert">
          <p>{problem}</p>
          <button type="button" class="button" onClick={() => void readUsage()}>
            {t('Try Again')}
          </button>
        </div>
      )}
      {byChat && <UsageTotal report={byChat} />}
      {byChat && byChat.rows.length > 0 && (
        <UsageTable title={t('By chat')} report={byChat} name={(row) => <ChatName row={row} />} />
      )}
      {byModel && byModel.rows.length > 0 && (
        <UsageTable title={t('By model')} report={byModel} name={({ key }) => key ?? t('Unknown')} />
      )}
    </section>
  );
}

function SpanChoice() {
  const names = { 1: t('Today'), 7: t('Last 7 days'), 30: t('Last 30 days') };
  const id = useId();
  const choice = useRef<HTMLSelectElement>(null);
  useEffect(() => choice.current?.focus(), []);
  return (
    <div class="usage-span">
      <label for={id}>{t('Period')}</label>
      <select
        ref={choice}
        id={id}
        class="field"
        value={span.value}
        onChange={({ currentTarget }) => {
          span.value = spans.find((days) => String(days) === currentTarget.value) ?? (1 satisfies Span);
          void readUsage();
        }}
      >
        {spans.map((days) => (
          <option key={days} value={days}>
            {names[days]}
          </option>
        ))}
      </select>
    </div>
  );
}

function UsageTotal({ report: { total } }: { report: UsageReport }) {
  const parts = [
    total.calls === 1 ? t('1 model call') : t('{0} model calls', total.calls.toLocaleString()),
    t('{0} in', tokens(inputTokensOf(total))),
    t('{0} out', tokens(total.outputTokens)),
  ];
  if (inputTokensOf(total) > 0)
    parts.push(
      t('{0}% of the input was read from the cache', Math.round((100 * total.cacheReadTokens) / inputTokensOf(total))),
    );
  return (
    <div class="usage-total">
      <strong>{dollars(total.costUsd)}</strong>
      <span class="faint">{parts.join(' · ')}</span>
      {total.unpricedSteps > 0 && (
        <span class="faint">{t('Calls with unknown price: {0}', total.unpricedSteps.toLocaleString())}</span>
      )}
    </div>
  );
}

interface UsageTableProps {
  title: string;
  report: UsageReport;
  name: (row: UsageRow) => ComponentChildren;
}

function UsageTable({ title, report, name }: UsageTableProps) {
  return (
    <table class="usage-table">
      <caption>{title}</caption>
      <thead>
        <tr>
          <th scope="col" class="unseen">
            {t('Name')}
          </th>
          <th scope="col">{t('Calls')}</th>
          <th scope="col">{t('Tokens')}</th>
          <th scope="col">{t('Cost')}</th>
        </tr>
      </thead>
      <tbody>
        {report.rows.slice(0, maxRows).map((row) => (
          <tr key={row.key ?? ''}>
            <th scope="row">{name(row)}</th>
            <td>{row.calls.toLocaleString()}</td>
            <td>{tokens(inputTokensOf(row) + row.outputTokens)}</td>
            <td>{row.calls > 0 && row.unpricedSteps === row.calls ? '?' : dollars(row.costUsd)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ChatName({ row: { key, title } }: { row: UsageRow }) {
  if (key === null) return t('Other clients');
  if (title === null) return t('Deleted chat');
  return (
    <button type="button" class="link-button usage-chat" dir="auto" title={title} onClick={() => showConversation(key)}>
      {title || t('New chat')}
    </button>
  );
}

import { t } from './l10n.ts';

const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });

/** Formats a number of tokens in compact notation. */
export function tokens(count: number): string {
  return short.format(count);
}

/** Formats an amount in US dollars. Small amounts keep two significant digits. */
export function dollars(amount: number): string {
  const isSmall = amount > 0 && amount < 0.1;
  return new Intl.NumberFormat(undefined, {
    style: 'currency',
    currency: 'USD',
    ...(isSmall ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 2 }),
  }).format(amount);
}

/** Formats milliseconds as seconds or minutes. */
export function duration(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  return seconds < 90 ? t('{0} s', seconds) : t('{0} min', Math.round(seconds / 60));
}

/** Formats bytes as KB or MB. */
export function bytes(count: number): string {
  return count < 1_000_000
    ? t('{0} KB', Math.max(1, Math.round(count / 1000)))
    : t('{0} MB', (count / 1_000_000).toFixed(1));
}

/** Returns the name under which the history groups a day. */
export function dayName(iso: string, now = new Date()): string {
  const day = new Date(iso);
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const days = Math.ceil((midnight - day.getTime()) / 86_400_000);
  if (days <= 0) return t('Today');
  if (days === 1) return t('Yesterday');
  if (days < 7) return t('Last 7 days');
  if (days < 30) return t('Last 30 days');
  return day.toLocaleDateString(undefined, { month: 'long', year: 'numeric' });
}

/** Formats the time since a date in compact form. */
export function timeAgo(iso: string, now = Date.now()): string {
  const minutes = Math.floor((now - Date.parse(iso)) / 60_000);
  if (minutes < 1) return t('now');
  if (minutes < 60) return t('{0} min', minutes);
  if (minutes < 24 * 60) return t('{0} h', Math.floor(minutes / 60));
  if (minutes < 30 * 24 * 60) return t('{0} d', Math.floor(minutes / 1440));
  return new Date(iso).toLocaleDateString(undefined, { day: 'numeric', month: 'short' });
}

/** Returns the last part of a path. */
export function baseName(path: string): string {
  return path.split(/[\\/]/).at(-1) || path;
}

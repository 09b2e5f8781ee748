import { Icon } from './icon.tsx';

/** A page of the web, as a model or a tool names it: the title is plain text. */
export interface Link {
  readonly url: string;
  readonly title: string;
  /** Said beside it, such as its age. */
  readonly note?: string | undefined;
}

/** Pages of the web, one a line. Each address stands once, and only those that a browser opens. */
export function Links({ label, links }: { label: string; links: readonly Link[] }) {
  const byUrl = new Map(links.filter(({ url }) => /^https?:\/\//i.test(url)).map((link) => [link.url, link]));
  if (byUrl.size === 0) return null;
  return (
    <ul class="sources" aria-label={label}>
      {[...byUrl.values()].map(({ url, title, note }) => (
        <li key={url}>
          <a href={url} title={url}>
            <Icon name="link-external" />
            {title || url}
          </a>
          {note && <span class="source-note"> {note}</span>}
        </li>
      ))}
    </ul>
  );
}

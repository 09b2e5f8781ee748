import { Icon } from './icon.tsx';

/** A web page that a model or a tool names. The title is plain text. */
export interface Link {
  readonly url: string;
  readonly title: string;
  /** Additional text, such as the age of the page. */
  readonly note?: string | undefined;
}

/** A list of web pages without duplicates. Only http and https addresses are included. */
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

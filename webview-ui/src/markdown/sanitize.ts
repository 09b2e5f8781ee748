import DOMPurify from 'dompurify';

const linkTarget = /^(?:https?:\/\/|mailto:|(?!\/\/|[a-z][a-z0-9+.-]*:)|[\w.-]+\.\w+:\d)/i;
const ownClass = /^(?:language-\S{1,40}|task task-(?:done|open)|table|hljs-[\w-]+(?: [\w-]+)*)$/;

const purify = DOMPurify(window);
purify.setConfig({
  // biome-ignore format: a list of words
  ALLOWED_TAGS: [
    'a', 'b', 'blockquote', 'br', 'code', 'dd', 'del', 'details', 'div', 'dl', 'dt', 'em', 'h1', 'h2', 'h3', 'h4', 'h5',
    'h6', 'hr', 'i', 'ins', 'kbd', 'li', 'mark', 'ol', 'p', 'pre', 'q', 's', 'samp', 'small', 'span', 'strong', 'sub',
    'summary', 'sup', 'table', 'tbody', 'td', 'tfoot', 'th', 'thead', 'tr', 'u', 'ul', 'var',
  ],
  ALLOWED_ATTR: ['align', 'class', 'href', 'start', 'title'],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  ALLOWED_URI_REGEXP: linkTarget,
  RETURN_DOM_FRAGMENT: true,
});
purify.addHook('uponSanitizeAttribute', (_element, data) => {
  if (data.attrName === 'class') data.keepAttr = ownClass.test(data.attrValue);
});

/** Returns the HTML as a fragment that contains only plain structure and safe links. */
export function sanitize(html: string): DocumentFragment {
  // With RETURN_DOM_FRAGMENT in the config, `sanitize` returns a fragment, which its type does not reflect.
  const clean: unknown = purify.sanitize(html);
  if (!(clean instanceof DocumentFragment)) throw new TypeError('DOMPurify did not return a fragment.');
  return clean;
}

/** Shape of a generated answer. */
export interface MarkdownShape {
  /** Exact length, in UTF-8 bytes. */
  readonly bytes: number;
  /** Default 0. */
  readonly codeBlocks?: number;
  /** Seed: another number gives another text of the same kind. Default: 1. */
  readonly seed?: number;
}

const words =
  'the server appends each event before it is published so that a reader who comes back later misses nothing and sees nothing twice while a slow client never holds up the others and every queue has a bound'.split(
    ' ',
  );

const snippets: readonly (readonly [language: string, lines: readonly string[]])[] = [
  [
    'ts',
    [
      'export function clamp(value: number, low: number, high: number): number {',
      '  return Math.min(high, Math.max(low, value));',
      '}',
    ],
  ],
  [
    'python',
    [
      'def chunks(items, size):',
      '    for start in range(0, len(items), size):',
      '        yield items[start:start + size]',
    ],
  ],
  ['sql', ['SELECT conversation_id, max(seq) AS last_seq', 'FROM events', 'GROUP BY conversation_id;']],
  ['sh', ['for file in *.log; do', '  gzip --keep "$file"', 'done']],
];

/** Returns Markdown as models write it, the same every time: prose, lists, tables and fenced code. */
export function markdown({ bytes, codeBlocks = 0, seed = 1 }: MarkdownShape): string {
  const next = randomFrom(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T;
  const phrase = (length: number) => Array.from({ length }, () => pick(words)).join(' ');
  const sentence = () => {
    const said = phrase(8 + Math.floor(next() * 10));
    return `${said.charAt(0).toUpperCase()}${said.slice(1)}${next() < 0.2 ? ` in \`${pick(words)}.ts\`` : ''}.`;
  };
  const paragraph = () => Array.from({ length: 2 + Math.floor(next() * 3) }, sentence).join(' ');
  const others = [
    paragraph,
    paragraph,
    () => `## ${phrase(3)}`,
    () => Array.from({ length: 4 }, () => `- **${pick(words)}**: ${phrase(7)}`).join('\n'),
    () =>
      `| what | how much |\n| --- | ---: |\n${Array.from({ length: 3 }, () => `| ${phrase(2)} | ${Math.floor(next() * 900)} |`).join('\n')}`,
  ];
  const code = (length: number) => {
    const [language, lines] = pick(snippets);
    let body = '';
    while (body.length < length) body += `${lines.join('\n')}\n`;
    return `\`\`\`${language}\n${body}\`\`\``;
  };

  let out = '';
  let blocks = 0;
  // A sixth of the text is code, spread evenly.
  const codeLength = codeBlocks > 0 ? Math.floor(bytes / 6 / codeBlocks) : 0;
  while (out.length < bytes) {
    const due = codeBlocks > 0 && blocks < codeBlocks && out.length >= ((blocks + 0.3) * bytes) / codeBlocks;
    if (due) blocks++;
    out += `${due ? code(codeLength) : pick(others)()}\n\n`;
  }
  return cutTo(out, bytes);
}

/** Cuts a text, which is ASCII, at a byte. Closes a fence that would remain open. */
function cutTo(out: string, bytes: number): string {
  const cut = out.slice(0, bytes);
  const fences = cut.match(/^```/gm)?.length ?? 0;
  const close = '\n```';
  return fences % 2 === 0 || bytes < close.length ? cut : cut.slice(0, -close.length) + close;
}

/** Pseudorandom generator mulberry32, which is small and the same on every machine. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

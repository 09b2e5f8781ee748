/// <reference lib="dom" />

/*
 * States of the page for tests and screenshots. Each function runs inside the page before it starts,
 * so it can only use `window.host`.
 */

/** A conversation with everything that an answer can contain. */
export function richConversation(): void {
  const { host } = window;
  const id = 'rich';
  host.create(id, 'Route matching with optional segments');
  host.hello = { ...host.hello, view: { conversationId: id, drafts: {}, model: null, thinking: true } };
  const usage = { inputTokens: 2_140, outputTokens: 903, cacheReadTokens: 24_300, cacheWriteTokens: 1_200 };
  const ended = { stopReason: 'end_turn', usage, costUsd: 0.0241, model: 'claude-sonnet-4-5' };
  const answer = `The matcher compares segments one by one, so an optional segment has to be tried **both ways**. Two changes in \`src/router/match.ts\`:

1. Parse \`:name?\` into an *optional* segment.
2. When it does not fit, go on without it.

\`\`\`ts
// Tries the segment, then the rest without it.
export function match(pattern: Segment[], path: string[]): Params | null {
  const [first, ...rest] = pattern;
  if (!first) return path.length === 0 ? {} : null;
  if (first.kind === 'optional' && !fits(first, path[0])) return match(rest, path);
  return { ...bind(first, path[0] ?? ''), ...match(rest, path.slice(1)) };
}
\`\`\`

| Pattern | Path | Result |
| --- | --- | --- |
| \`/users/:id?\` | \`/users\` | matches, no \`id\` |
| \`/users/:id?\` | \`/users/7\` | matches, \`id = 7\` |

> Trailing slashes are treated as before.

- [x] Unit tests for both shapes
- [ ] A note in the [changelog](CHANGELOG.md)

See [the routing guide](https://example.com/routing) for the order in which patterns are tried.`;
  host.append(id, [
    {
      type: 'turn.created',
      turnId: 't1',
      parent: null,
      text: 'Optional segments like /users/:id? never match without the id. Can you fix the matcher?',
      attachments: [
        { kind: 'selection', path: 'src/router/match.ts', startLine: 12, endLine: 31, text: '...' },
        { kind: 'file', path: 'test/router.test.ts', text: '...' },
      ],
      model: null,
      thinking: true,
    },
    { type: 'turn.started', turnId: 't1', attempt: 1 },
    { type: 'step.started', turnId: 't1', stepId: 's1', model: 'claude-sonnet-4-5' },
    { type: 'block.started', turnId: 't1', stepId: 's1', index: 0, kind: 'thinking' },
    {
      type: 'block.delta',
      turnId: 't1',
      stepId: 's1',
      index: 0,
      text: 'The matcher walks both lists at once. An optional segment needs two attempts.',
    },
    { type: 'block.ended', turnId: 't1', stepId: 's1', index: 0, signature: 'x' },
    {
      type: 'block.started',
      turnId: 't1',
      stepId: 's1',
      index: 1,
      kind: 'tool_call',
      tool: { callId: 'c1', name: 'file_read' },
    },
    { type: 'block.delta', turnId: 't1', stepId: 's1', index: 1, text: '{"path":"src/router/match.ts","lines":120}' },
    { type: 'block.ended', turnId: 't1', stepId: 's1', index: 1 },
    { type: 'tool.ended', turnId: 't1', stepId: 's1', callId: 'c1', ok: true, text: 'export function match() {}' },
    { type: 'step.ended', turnId: 't1', stepId: 's1', ...ended, stopReason: 'tool_use' },
    { type: 'step.started', turnId: 't1', stepId: 's2', model: 'claude-sonnet-4-5' },
    { type: 'block.started', turnId: 't1', stepId: 's2', index: 0, kind: 'text' },
    { type: 'block.delta', turnId: 't1', stepId: 's2', index: 0, text: answer },
    {
      type: 'block.ended',
      turnId: 't1',
      stepId: 's2',
      index: 0,
      citations: [{ url: 'https://example.com/routing', title: 'Routing guide' }],
    },
    { type: 'step.ended', turnId: 't1', stepId: 's2', ...ended },
    { type: 'turn.ended', turnId: 't1', outcome: 'completed' },
  ]);
  host.append(id, [
    {
      type: 'turn.created',
      turnId: 't2a',
      parent: 't1',
      text: 'And wildcards?',
      attachments: [],
      model: null,
      thinking: false,
    },
    { type: 'turn.started', turnId: 't2a', attempt: 1 },
    { type: 'turn.ended', turnId: 't2a', outcome: 'stopped' },
    {
      type: 'turn.created',
      turnId: 't2',
      parent: 't1',
      text: 'And wildcards, do they still work?',
      attachments: [],
      model: null,
      thinking: false,
    },
    { type: 'turn.started', turnId: 't2', attempt: 1 },
    { type: 'step.started', turnId: 't2', stepId: 's3', model: 'claude-sonnet-4-5' },
    {
      type: 'turn.ended',
      turnId: 't2',
      outcome: 'failed',
      problem: {
        code: 'overloaded',
        status: 529,
        title: 'Claude is overloaded',
        detail: 'Claude is overloaded and did not answer after 5 attempts. Wait a minute and try again.',
        action: 'retry',
        requestId: 'req_011CSHoEeqs5C35K2UUqR7Fy',
      },
    },
  ]);
}

/** An answer with two programs that can be run and one that cannot. */
export function programs(): void {
  const { host } = window;
  host.create('programs', 'Programs');
  host.hello = { ...host.hello, view: { conversationId: 'programs', drafts: {}, model: null, thinking: false } };
  const answer = [
    'Greet by name:',
    '```python\nname = input()\nprint(f"hello {name}")\n```',
    'As a picture:',
    '```mermaid\ngraph TD; a-->b\n```',
    'In a shell and in Rust:',
    '```bash\necho hello\n```',
    '```rust\nfn main() {}\n```',
    'That is all.',
  ].join('\n\n');
  host.turn('programs', 'p1', 'Greet me', answer);
}

/** An answer that is being written, with one queued message. */
export function busyConversation(): void {
  const { host } = window;
  const id = 'busy';
  host.create(id, 'Explain the build');
  host.hello = { ...host.hello, view: { conversationId: id, drafts: {}, model: null, thinking: true } };
  host.turn(id, 'b1', 'What does the build do?', 'It makes three bundles: the extension, the server and the page.');
  host.append(id, [
    {
      type: 'turn.created',
      turnId: 'b2',
      parent: 'b1',
      text: 'Show me how the page is bundled',
      attachments: [],
      model: null,
      thinking: true,
    },
    { type: 'turn.started', turnId: 'b2', attempt: 1 },
    { type: 'step.started', turnId: 'b2', stepId: 'q', model: 'claude-sonnet-4-5' },
    { type: 'block.started', turnId: 'b2', stepId: 'q', index: 0, kind: 'thinking' },
    { type: 'block.delta', turnId: 'b2', stepId: 'q', index: 0, text: 'Look at the build script.' },
    { type: 'block.ended', turnId: 'b2', stepId: 'q', index: 0 },
    { type: 'block.started', turnId: 'b2', stepId: 'q', index: 1, kind: 'text' },
    {
      type: 'block.delta',
      turnId: 'b2',
      stepId: 'q',
      index: 1,
      text: 'The page is one **esbuild** call:\n\n```ts\nawait build({\n  entryPoints: { page: "webview-ui/src/main.tsx" },\n  bundle: true,\n',
    },
    {
      type: 'turn.created',
      turnId: 'b3',
      parent: 'b2',
      text: 'Then add source maps',
      attachments: [],
      model: null,
      thinking: false,
    },
  ]);
  const stored = host.stored(id);
  if (stored) stored.summary.busy = true;
}

/** Many conversations over many days. */
export function history(): void {
  const { host } = window;
  const titles = [
    'Route matching with optional segments',
    'Why does the worker leak memory?',
    'Rename the config module',
    'SQL for weekly active users',
    'Flaky login test',
    'Explain the event log',
    'A title that is much too long for the width that the side bar has in most windows of most people',
    'مراجعة الشيفرة',
  ];
  for (let index = 0; index < 120; index += 1) {
    const at = new Date(Date.now() - index * index * 600_000).toISOString();
    const stored = host.create(`h${index}`, titles[index % titles.length] ?? '', at);
    stored.summary.costUsd = index * 0.013;
  }
}

/** A server that cannot start, without a key and in the demo: all banners at once. */
export function troubledServer(): void {
  const { host } = window;
  host.hello = {
    ...host.hello,
    server: {
      state: 'failed',
      key: 'missing',
      demo: false,
      problem: {
        code: 'server_crashed',
        status: 500,
        title: 'The server stopped',
        detail: 'The companion server stopped three times in a minute. The log says why.',
        action: 'show-log',
      },
    },
  };
}

/** A remote server that rejects the user's token. */
export function refusedByTeam(): void {
  const detail = 'devlm.example.com rejected your token: The token has expired.';
  const problem = { code: 'token_refused', status: 401, title: 'Token rejected', detail, action: 'set-token' } as const;
  window.host.hello = { ...window.host.hello, server: { state: 'failed', remote: 'devlm.example.com', problem } };
}

/** The scripted demo. */
export function demo(): void {
  window.host.hello = { ...window.host.hello, server: { state: 'ready', key: 'missing', demo: true } };
}

/** A window whose folder is not trusted. */
export function restricted(): void {
  const { settings } = window.host.hello;
  window.host.hello = { ...window.host.hello, settings: { ...settings, restricted: true } };
}

/** A conversation of 1,000 turns, that is 2,000 messages. */
export function longConversation(): void {
  const { host } = window;
  host.create('long', 'A long conversation');
  for (let index = 0; index < 1_000; index += 1) {
    host.turn(
      'long',
      `l${index}`,
      `Question ${index}: what comes after ${index}?`,
      `After ${index} comes **${index + 1}**.\n\n- It is ${index % 2 === 0 ? 'odd' : 'even'}.\n- \`n + 1\`\n\n\`\`\`js\nconst next = ${index} + 1;\nconsole.log(next);\n\`\`\`\n\nThat is all there is to say about it, in a few words more than needed.`,
    );
  }
  host.hello = { ...host.hello, view: { conversationId: 'long', drafts: {}, model: null, thinking: false } };
}

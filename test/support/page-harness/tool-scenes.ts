/// <reference lib="dom" />

/*
 * Conversations with tool calls. Each function runs inside the page before it starts,
 * so it can only use `window.host`.
 */

/** A completed turn with every tool, and a turn with open questions while a command runs. */
export function toolConversation(): void {
  const { host } = window;
  const id = 'tools';
  host.create(id, 'Optional segments in routes');
  host.hello = { ...host.hello, view: { conversationId: id, drafts: {}, model: null, thinking: false } };
  const usage = { inputTokens: 2_140, outputTokens: 903, cacheReadTokens: 24_300, cacheWriteTokens: 1_200 };
  const ended = { usage, costUsd: 0.0241, model: 'claude-sonnet-4-5' };
  const hash = (digit: string) => digit.repeat(64);
  const begin = (turnId: string, parent: string | null, text: string) =>
    host.append(id, [
      { type: 'turn.created', turnId, parent, text, attachments: [], model: null, thinking: false },
      { type: 'turn.started', turnId, attempt: 1 },
      { type: 'step.started', turnId, stepId: `${turnId}-s`, model: 'claude-sonnet-4-5' },
    ]);
  const call = (turnId: string, index: number, name: string, input: unknown) => {
    const stepId = `${turnId}-s`;
    const text = typeof input === 'string' ? input : JSON.stringify(input);
    const tool = { callId: `${turnId}-c${index}`, name };
    host.append(id, [
      { type: 'block.started', turnId, stepId, index, kind: 'tool_call', tool },
      { type: 'block.delta', turnId, stepId, index, text },
      { type: 'block.ended', turnId, stepId, index },
    ]);
    return { turnId, stepId, callId: tool.callId };
  };
  const plan = [
    { text: 'Read how segments are matched', status: 'done' as const },
    { text: 'Let an optional segment be left out', status: 'active' as const },
    { text: 'Test both shapes', status: 'open' as const },
    { text: 'Note it in the changelog', status: 'open' as const },
  ];
  const match = { path: 'src/router/match.ts', before: hash('a'), encoding: 'utf8' };

  begin('t1', null, 'Make /users/:id? match without the id, test it and look up how others do it.');
  host.append(id, [
    { type: 'block.started', turnId: 't1', stepId: 't1-s', index: 0, kind: 'text' },
    { type: 'block.delta', turnId: 't1', stepId: 't1-s', index: 0, text: 'I look at the matcher first.' },
    { type: 'block.ended', turnId: 't1', stepId: 't1-s', index: 0 },
  ]);
  const done = (index: number, name: string, input: unknown, text: string, details = {}, ok = true) =>
    host.append(id, [{ type: 'tool.ended', ...call('t1', index, name, input), ok, text, details }]);
  done(1, 'file_read', { path: 'src/router/match.ts', startLine: 1, endLine: 80 }, 'export function match() {}');
  done(2, 'file_list', { path: 'src/router' }, 'src/router/match.ts');
  done(3, 'file_search', { pattern: 'optional\\(', include: ['src/**'] }, 'src/router/match.ts:12: optional(');
  done(4, 'symbol_search', { query: 'match' }, 'match src/router/match.ts:3');
  done(5, 'diagnostics', { paths: ['src/router/match.ts', 'src/router/index.ts'] }, 'No problems.');
  done(6, 'web_search', { query: 'optional route segments' }, '1. Routing guide https://example.com/routing', {
    pages: [
      { title: 'Routing guide <b>x</b>', url: 'https://example.com/routing', age: '3 days ago' },
      { title: 'Not a page', url: 'javascript:alert(1)' },
      { title: '', url: 'https://example.com/untitled' },
    ],
  });
  done(
    7,
    'web_fetch',
    { url: 'https://example.com/routing?from=search' },
    '# Routing\n\n<img src=x onerror=alert(1)>',
    {
      pages: [{ title: 'Routing', url: 'https://example.com/routing?from=search' }],
    },
  );
  done(8, 'file_edit', { path: 'src/router/match.ts', old: 'a', new: 'b' }, 'Changed.', {
    changes: [{ ...match, after: hash('b'), added: 3, removed: 1 }],
  });
  done(9, 'file_write', { path: 'test/router/optional-segments.test.ts', content: 'test()\ntest()' }, 'Written.', {
    changes: [
      {
        path: 'test/router/optional-segments.test.ts',
        before: null,
        after: hash('c'),
        encoding: 'utf8',
        added: 48,
        removed: 0,
      },
    ],
  });
  done(
    10,
    'apply_patch',
    { patch: '*** Update File: src/router/match.ts\n*** Delete File: src/router/old.ts\n' },
    'ok',
    {
      changes: [
        { ...match, before: hash('b'), after: hash('d'), added: 2, removed: 2 },
        { path: 'src/router/old.ts', before: hash('e'), after: null, encoding: 'utf8', added: 0, removed: 31 },
      ],
    },
  );
  done(11, 'run_code', { language: 'python', code: 'print(1)\nprint(2)' }, 'Exit 0. 1 2', { executionId: 'run-1' });
  done(
    12,
    'run_command',
    { command: 'npm test -- --run router' },
    '1 test failed: router > optional segment > is left out\nExpected null to equal {}',
    {},
    false,
  );
  done(13, 'update_plan', { items: plan }, 'Noted.', { plan });
  done(14, 'jira_create_issue', { project: 'WEB', summary: 'Optional segments' }, '{"key":"WEB-7","url":"x"}');
  host.append(id, [
    { type: 'step.ended', turnId: 't1', stepId: 't1-s', stopReason: 'end_turn', ...ended },
    { type: 'turn.ended', turnId: 't1', outcome: 'completed' },
  ]);

  begin('t2', 't1', 'Go on, and publish it.');
  const command = call('t2', 0, 'run_command', { command: 'npm run build' });
  const publish = call('t2', 1, 'web_fetch', { url: 'https://registry.example.com/-/whoami' });
  const question = call('t2', 2, 'ask_user', { question: 'Which version should it become?' });
  const write = call('t2', 3, 'file_write', { path: '.github/workflows/release.yml', content: 'on: push' });
  const waiting = call('t2', 4, 'run_command', { command: 'git status' });
  void waiting;
  host.append(id, [
    { type: 'step.ended', turnId: 't2', stepId: 't2-s', stopReason: 'tool_use', ...ended },
    {
      type: 'ask.opened',
      ...command,
      ask: {
        kind: 'approval',
        title: 'Run a command',
        reason: 'Commands that run scripts of the project ask, because no rule allows them.',
        detail: 'npm run build && rm -rf dist/\u202ecod.\u202c old\nnode scripts/release.ts --dry-run',
        format: 'command',
        rule: 'run_command(npm run build)',
      },
    },
    { type: 'ask.answered', ...command, answer: { kind: 'approval', allow: true } },
    { type: 'tool.started', ...command },
    { type: 'tool.output', ...command, text: '> build\n\u001b[32mvite\u001b[0m building for production...\n' },
    { type: 'tool.output', ...command, text: 'transforming (312 modules)\n' },
    {
      type: 'ask.opened',
      ...publish,
      ask: {
        kind: 'approval',
        title: 'Fetch from a new host',
        reason: 'Text from the web is in the conversation (example.com), so a new host is asked about.',
        detail: 'https://registry.example.com/-/whoami',
        format: 'url',
        rule: null,
      },
    },
    {
      type: 'ask.opened',
      ...question,
      ask: {
        kind: 'question',
        question: 'Which version should it become?',
        options: ['1.4.1 (a fix)', '1.5.0 (a feature)', '2.0.0: optional segments change what routes match'],
      },
    },
    {
      type: 'ask.opened',
      ...write,
      ask: {
        kind: 'approval',
        title: 'Write .github/workflows/release.yml',
        reason: 'Files that CI runs always ask.',
        detail:
          '--- a/.github/workflows/release.yml\n+++ b/.github/workflows/release.yml\n@@ -1,3 +1,4 @@\n-on: workflow_dispatch\n+on: push\n+permissions: write-all\n jobs:\n   release:',
        format: 'diff',
        rule: null,
      },
    },
  ]);
  const stored = host.stored(id);
  if (stored) stored.summary.busy = true;
}

/** A turn that waits for one approval. */
export function askingConversation(): void {
  const { host } = window;
  const id = 'asking';
  host.create(id, 'Tidy up');
  host.hello = { ...host.hello, view: { conversationId: id, drafts: {}, model: null, thinking: false } };
  const ids = { turnId: 'a1', stepId: 'a1-s' };
  const tool = { callId: 'toolu_1', name: 'run_command' };
  host.append(id, [
    {
      type: 'turn.created',
      turnId: 'a1',
      parent: null,
      text: 'Tidy up',
      attachments: [],
      model: null,
      thinking: false,
    },
    { type: 'turn.started', turnId: 'a1', attempt: 1 },
    { type: 'step.started', ...ids, model: 'claude-sonnet-4-5' },
    { type: 'block.started', ...ids, index: 0, kind: 'tool_call', tool },
    { type: 'block.delta', ...ids, index: 0, text: '{"command":"rm -rf build"}' },
    { type: 'block.ended', ...ids, index: 0 },
    {
      type: 'ask.opened',
      ...ids,
      callId: 'toolu_1',
      ask: {
        kind: 'approval',
        title: 'Run a command',
        reason: 'It removes files.',
        detail: 'rm -rf build',
        format: 'command',
        rule: null,
      },
    },
  ]);
  const stored = host.stored(id);
  if (stored) stored.summary.busy = true;
}

/** Inputs and events that no server should send. */
export function garbageConversation(): void {
  const { host } = window;
  const id = 'garbage';
  host.create(id, 'Garbage');
  host.hello = { ...host.hello, view: { conversationId: id, drafts: {}, model: null, thinking: false } };
  const ids = { turnId: 'g1', stepId: 'g1-s' };
  host.append(id, [
    { type: 'turn.created', turnId: 'g1', parent: null, text: 'Go', attachments: [], model: null, thinking: false },
    { type: 'turn.started', turnId: 'g1', attempt: 1 },
    { type: 'step.started', ...ids, model: 'x' },
  ]);
  const inputs = [
    ['file_edit', ''],
    ['file_edit', '{'],
    ['file_edit', '{"path'],
    ['file_edit', '{"path":"src/a\\'],
    ['file_edit', '{"path":"src/\\u00'],
    ['file_edit', '[1,2,{"path":"x"}]'],
    ['file_edit', '{"path":{"deep":[1,{"a":"b"}]},"old":7}'],
    ['file_read', '{"path":"<b>bold</b>","startLine":"one","endLine":1e999}'],
    ['run_command', '{"command":"echo hi\\n\\n\\nrm -rf ~"}'],
    ['run_command', `{"command":"${'x'.repeat(100_000)}`],
    ['__proto__', '{"__proto__":{"polluted":1},"constructor":"c"}'],
    ['toString', 'null'],
    ['', '{"a":"b"}'],
    ['apply_patch', '{"patch":17}'],
    ['web_fetch', '{"url":"javascript:alert(1)"}'],
    ['\u202etxet', '{"\u202ekey":"\u202evalue"}'],
  ];
  inputs.forEach(([name = '', text = ''], index) => {
    host.append(id, [
      { type: 'block.started', ...ids, index, kind: 'tool_call', tool: { callId: `g${index}`, name } },
      { type: 'block.delta', ...ids, index, text },
    ]);
    if (index % 2 === 0) host.append(id, [{ type: 'block.ended', ...ids, index }]);
  });
  const next = inputs.length;
  host.append(id, [
    // A call without a name or an id.
    { type: 'block.started', ...ids, index: next, kind: 'tool_call' },
    { type: 'block.delta', ...ids, index: next, text: '{}' },
    { type: 'block.started', ...ids, index: next + 1, kind: 'tool_call', tool: { callId: 'big', name: 'file_read' } },
    { type: 'block.delta', ...ids, index: next + 1, text: '{"path":"big.txt"}' },
    { type: 'block.ended', ...ids, index: next + 1 },
    {
      type: 'tool.ended',
      ...ids,
      callId: 'big',
      ok: true,
      text: `first line\n<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">\n${'\u001b[31mline\u202e\n'.repeat(100_000)}the last line`,
    },
    // Events of a call that does not exist.
    { type: 'tool.output', ...ids, callId: 'nobody', text: 'lost' },
    { type: 'tool.ended', ...ids, callId: 'no-one', ok: false, text: 'lost' },
    {
      type: 'ask.opened',
      ...ids,
      callId: 'stray',
      ask: { kind: 'question', question: 'A question without a call?', options: [] },
    },
  ]);
}

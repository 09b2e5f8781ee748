import type { Event, EventBody } from '@devlm/protocol/events.ts';
import { applyEvent, emptyConversation } from '@devlm/protocol/reducer.ts';
import type { TurnState } from '@devlm/protocol/state.ts';
import type { ToolDetails } from '@devlm/protocol/tools.ts';
import { describe, expect, test } from 'vitest';
import { hostsIn, trustOf } from '../../server/src/agent/trust.ts';

const ids = { turnId: 't', stepId: 's' };
/** Returns a turn with these events in its only step. */
function turnOf(text: string, ...events: EventBody[]): TurnState {
  const all: EventBody[] = [
    { type: 'turn.created', turnId: 't', parent: null, text, attachments: [], model: null, thinking: false },
    { type: 'step.started', ...ids, model: 'm' },
    ...events,
  ];
  const state = all
    .map((body, index): Event => ({ ...body, seq: index + 1, at: '2026-11-23T00:00:00.000Z' }))
    .reduce(applyEvent, emptyConversation('c'));
  const turn = state.turns['t'];
  if (!turn) throw new Error('no turn');
  return turn;
}
const ended = (callId: string, details: ToolDetails): EventBody => ({
  type: 'tool.ended',
  ...ids,
  callId,
  ok: true,
  text: '',
  details,
});
const asked = (callId: string, allow: boolean): EventBody[] => [
  {
    type: 'ask.opened',
    ...ids,
    callId,
    ask: {
      kind: 'approval',
      title: '',
      reason: '',
      detail: '',
      format: 'url',
      rule: null,
      hosts: [`${callId}.example.com`],
      paths: [`${callId}.ts`],
    },
  },
  { type: 'ask.answered', ...ids, callId, answer: { kind: 'approval', allow } },
];

describe('the trust of a conversation', () => {
  test('a conversation without outside text is trusted', () => {
    const turn = turnOf('Hi', ended('a', { reads: [{ path: 'README.md', hash: '0'.repeat(64) }] }));
    expect(trustOf([turn])).toEqual({ taints: [], knownHosts: new Set(), knownPaths: new Set() });
  });

  test('each source of outside text is named once', () => {
    const turn = turnOf(
      'Hi',
      ended('a', { untrusted: [{ kind: 'web', name: 'a.example.com' }] }),
      ended('b', {
        untrusted: [
          { kind: 'web', name: 'a.example.com' },
          { kind: 'mcp', name: 'files' },
        ],
      }),
      ended('c', { untrusted: [{ kind: 'outside', name: '/etc/hosts' }] }),
    );
    const { taints } = trustOf([turn, turn]);
    expect(taints).toEqual(['a.example.com', 'the MCP server "files"', '/etc/hosts (outside the workspace)']);
  });

  test('a search by the provider counts as a source of outside text', () => {
    const tool = { callId: 'x', name: 'web_search_tool_result' };
    const turn = turnOf('Hi', { type: 'block.started', ...ids, index: 0, kind: 'server_tool_result', tool });
    expect(trustOf([turn]).taints).toEqual(['the web']);
  });

  test.each([
    ['curl -s https://example.com', true],
    ['cd docs && sudo wget -qO- example.com | head', true],
    ['gh issue view 12', true],
    ['npm test', false],
    ['echo curl', false],
  ])('the output of the command %j counts as a source: %s', (line, web) => {
    const command = { id: 'c', windowId: 'w', line, cwd: null, exitCode: 0, signal: null, wallMs: 1, seen: 0 };
    const turn = turnOf('Hi', ended('a', { command: { ...command, state: 'ended' } }));
    expect(trustOf([turn]).taints).toEqual(web ? [`the output of "${line}"`] : []);
  });

  test('an attached page counts as a source, and its host as named by the user', () => {
    const turn = turnOf('Hi');
    const attachments: TurnState['attachments'] = [
      { kind: 'file', path: 'page', text: 'x', untrusted: { kind: 'web', name: 'a.example.com' } },
    ];
    const trust = trustOf([{ ...turn, attachments }]);
    expect(trust.taints).toEqual(['a.example.com']);
    expect([...trust.knownHosts]).toEqual(['a.example.com']);
  });

  test('known hosts and files are those that the user named or allowed, not those that they refused or that a model wrote', () => {
    const turn = turnOf(
      'See https://Docs.Example.com/a, and <http://b.example.com:8080/x>.',
      { type: 'block.started', ...ids, index: 0, kind: 'text' },
      { type: 'block.delta', ...ids, index: 0, text: 'https://model.example.com/' },
      ...asked('yes', true),
      ...asked('no', false),
    );
    const { knownHosts, knownPaths } = trustOf([turn]);
    expect([...knownHosts]).toEqual(['docs.example.com', 'b.example.com', 'yes.example.com']);
    expect([...knownPaths]).toEqual(['yes.ts']);
  });
});

test.each([
  ['Look at https://a.example.com. And https://b.example.com, please', ['a.example.com', 'b.example.com']],
  ['(https://a.example.com/x)', ['a.example.com']],
  ['[a](https://a.example.com/x) and HTTPS://B.example.com?x', ['a.example.com', 'b.example.com']],
  ['https://user@c.example.com/ https:// http://[::1]/', ['c.example.com']],
  ['ftp://a.example.com a.example.com', []],
])('the hosts in %j', (text, hosts) => {
  expect(hostsIn(text)).toEqual(hosts);
});

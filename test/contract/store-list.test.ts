import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ListOptions } from '../../server/src/storage/ports/conversations.ts';
import type { Store } from '../../server/src/storage/ports/store.ts';
import { Clock, events as e, makeStores, type StoreMaker, storeKinds } from '../support/stores.ts';

const problem = (code: string) => expect.objectContaining({ problem: expect.objectContaining({ code }) });

describe.each(storeKinds)('the history on %s', (kind) => {
  let stores: StoreMaker;
  let store: Store;
  let clock: Clock;

  beforeAll(async () => {
    stores = await makeStores(kind);
  });
  afterAll(() => stores[Symbol.asyncDispose]());
  beforeEach(async () => {
    clock = new Clock();
    store = await stores.fresh(clock.now);
  });

  const create = (id: string, title = '', projectId: string | null = null) =>
    store.conversations.create({ id, title, projectId });
  const list = async (options: Partial<ListOptions> = {}) => {
    const { items, next } = await store.conversations.list({ limit: 100, ...options });
    return { ids: items.map((item) => item.id), next };
  };
  const found = async (search: string) => (await list({ search })).ids.sort().join(' ');

  test('the history is sorted by the newest change, and deltas do not count', async () => {
    for (const id of ['a', 'b', 'c']) {
      clock.advance(1);
      await create(id);
      await store.events.append(id, [e.turn('t')]);
    }
    expect((await list()).ids).toEqual(['c', 'b', 'a']);
    clock.advance(1);
    await store.events.append('a', [e.delta('t', 'x'), { type: 'head.moved', turnId: 't' }]);
    expect((await list()).ids).toEqual(['c', 'b', 'a']);
    await store.events.append('a', [{ type: 'conversation.renamed', title: 'New', by: 'person' }]);
    clock.advance(1);
    await store.events.append('b', [e.ended('t')]);
    expect((await list()).ids).toEqual(['b', 'a', 'c']);
  });

  test('the pages of the history neither repeat nor omit conversations', async () => {
    const ids = Array.from({ length: 25 }, (_, i) => `c${i}`);
    for (const [i, id] of ids.entries()) {
      if (i % 3 === 0) clock.advance(1);
      await create(id);
    }
    const whole = (await list()).ids;
    expect(whole.toSorted()).toEqual(ids.toSorted());
    for (const limit of [1, 4, 24, 25, 26]) {
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await list({ limit, cursor });
        expect(page.ids.length).toBeLessThanOrEqual(limit);
        seen.push(...page.ids);
        cursor = page.next ?? undefined;
      } while (cursor !== undefined);
      expect(seen).toEqual(whole);
    }
    // A conversation that moves to the top meanwhile does not shift the rest.
    const first = await list({ limit: 10 });
    clock.advance(1);
    await create('newcomer');
    await store.events.append('c0', [{ type: 'conversation.renamed', title: 'Up', by: 'person' }]);
    await store.conversations.setDeleted(first.ids.at(-1) ?? '', true);
    const rest = await list({ cursor: first.next ?? '' });
    expect([...first.ids, ...rest.ids]).toEqual(whole.filter((id) => id !== 'c0'));
  });

  test('the history refuses an invalid cursor', async () => {
    for (const cursor of ['', 'x', 'W10', btoa('[1]'), btoa('["1","a"]'), btoa('[1,"\'"]'), '\0']) {
      await expect(list({ cursor })).rejects.toEqual(problem('bad_request'));
    }
  });

  test('the history can be limited to one project', async () => {
    await create('a', 'Same', 'p1');
    await create('b', 'Same', 'p2');
    await create('c', 'Same');
    expect((await list({ projectId: 'p1' })).ids).toEqual(['a']);
    expect((await list({ projectId: 'p2', search: 'same' })).ids).toEqual(['b']);
    expect((await list({ projectId: 'none' })).ids).toEqual([]);
    expect((await list()).ids).toHaveLength(3);
  });

  test('a search finds word beginnings in titles, messages and answers', async () => {
    await create('title', 'Parsing the configuration');
    await create('message');
    await store.events.append('message', [e.turn('t', null, 'Why does my configuration fail?')]);
    await create('answer');
    await store.events.append('answer', [
      e.turn('t', null, 'Hi'),
      ...e.answer('t', 'The parser reads the config file'),
    ]);
    await create('other', 'Something else');

    expect(await found('config')).toBe('answer message title');
    expect(await found('CONFIGUR')).toBe('message title');
    expect(await found('onfig')).toBe('');
    expect(await found('pars config')).toBe('answer title');
    expect(await found('  config\n pars  ')).toBe('answer title');
    // The words may be in different places of one conversation, but not in different conversations.
    expect(await found('hi file')).toBe('answer');
    expect(await found('hi fail')).toBe('');
    expect(await found('')).toBe('answer message other title');
    expect(await found('   ')).toBe('answer message other title');
  });

  test('a search shows where it matched', async () => {
    const start = 'An introduction that goes on for a long time before it comes to the point, if it ever does. ';
    await create('c', 'A title');
    await store.events.append('c', [e.turn('t', null, `${start.repeat(5)}\n\nThe Zebra crosses. ${start.repeat(5)}`)]);
    const { items } = await store.conversations.list({ search: 'zebr', limit: 10 });
    expect(items[0]?.snippet).toMatch(/^….*\bThe Zebra crosses\. An introduction.*…$/);
    expect(items[0]?.snippet?.length).toBeLessThan(130);
    expect((await store.conversations.list({ search: 'title', limit: 10 })).items[0]?.snippet).toBe('A title');
    expect((await store.conversations.list({ limit: 10 })).items[0]?.snippet).toBeUndefined();
  });

  test('a search finds an answer only after its turn has ended, and no abandoned steps', async () => {
    await create('c');
    const [started, step, block, delta, ...rest] = e.answer('t', 'Elephants');
    const gone = { code: 'x', status: 500, title: 'x', detail: 'x' };
    const wrong = [
      { type: 'step.started', turnId: 't', stepId: 'bad', model: 'm' },
      { type: 'block.started', turnId: 't', stepId: 'bad', index: 0, kind: 'text' },
      e.delta('t', 'Giraffes', 'bad'),
      { type: 'step.abandoned', turnId: 't', stepId: 'bad', problem: gone },
    ] as const;
    if (!started || !step || !block || !delta) throw new Error('no events');
    await store.events.append('c', [e.turn('t', null, 'Which?'), started, ...wrong, step, block, delta]);
    expect(await found('which')).toBe('c');
    expect(await found('elephants')).toBe('');
    await store.events.append('c', rest);
    expect(await found('elephants')).toBe('c');
    expect(await found('giraffes')).toBe('');
  });

  test('a search follows a change of the title', async () => {
    await create('c', 'Before');
    await store.events.append('c', [{ type: 'conversation.renamed', title: 'After', by: 'server' }]);
    expect(await found('before')).toBe('');
    expect(await found('after')).toBe('c');
    await store.events.append('c', [{ type: 'conversation.renamed', title: '', by: 'person' }]);
    expect(await found('after')).toBe('');
  });

  test.each([
    ['Crème brûlée', ['creme', 'BRÛ', 'crème'], ['crem brun']],
    ['Über Straße', ['uber', 'über', 'straße'], ['ber']],
    ['ЁЖИК в тумане', ['ежик', 'Ёж', 'туман'], ['ман']],
    ['数据库连接失败', ['数据库', '连接', '据库连', '败', '失败 数据'], ['库数', '据连']],
    ['データベース接続', ['データ', 'ベース', '接続'], ['続接']],
    ['ฐานข้อมูล', ['ฐาน', 'ข้อมูล'], ['ลูม']],
    ['데이터베이스 연결', ['데이터', '연결'], ['베이스']],
    ['قاعدة البيانات', ['قاعدة', 'البيا'], ['يانات']],
    ['fix parse_config() in C++20', ['parse', 'config', 'c', '20', 'C++20'], ['onfig']],
    ['Party 🎉 time 👩🏽‍💻', ['🎉', '👩', 'party 🎉'], ['🎈']],
    ['ﬁnd the ＷＩＤＥ word', ['find', 'wide'], ['nd']],
    ['𝒞alligraphy 𠮷野家', ['calli', '𠮷野', '野家'], ['家野']],
  ])('a search finds %s in its own language', async (text, hits, misses) => {
    await create('c');
    await store.events.append('c', [e.turn('t', null, `${text} \0 \ud800`)]);
    for (const hit of hits) expect([hit, await found(hit)]).toEqual([hit, 'c']);
    for (const miss of misses) expect([miss, await found(miss)]).toEqual([miss, '']);
  });

  test('a search treats any input as words, never as syntax', async () => {
    await create('c', 'plain words');
    const garbage = [
      ...['"', "'", '*', '"plain', 'plain"', 'plain*', 'NEAR(plain words)', 'plain AND', 'words:plain', '^plain', '-x'],
      ...['plain OR nothing', "plain' & 'words", 'a:*', '!plain', '<->', '\\', '%', '_', '(', '{plain}', '\0plain\0'],
      ...['\ud800', '\u200d', '🎉', 'plain'.repeat(40), '; drop table events', "'':*", ' plain '],
    ];
    for (const search of garbage) expect(['', 'c']).toContain(await found(search));
    expect(await found('"plain" & words!')).toBe('c');
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 200 }), async (search) => {
        await list({ search });
      }),
      { numRuns: 100 },
    );
  });

  test('a search covers texts that are too large for an index', async () => {
    await create('c');
    const many = Array.from({ length: 60_000 }, (_, i) => `word${i.toString(36)}`).join(' ');
    await store.events.append('c', [e.turn('t', null, many)]);
    expect(await found('word1')).toBe('c');
    await store.events.append('c', [
      e.turn('u', 't', 'x'.repeat(400_000)),
      e.turn('v', 'u', '漢字仮名'.repeat(90_000)),
    ]);
    expect(await found('x'.repeat(300))).toBe('c');
    expect(await found('字仮')).toBe('c');
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { peek, withModel } from '../../server/src/gateway/messages/peek.ts';

const peeked = (text: string) => peek(Buffer.from(text));

describe('fields read from a Messages API body', () => {
  it('the fields read from a body are those that JSON.parse returns', () => {
    const body = fc
      .record({ before: fc.jsonValue(), model: fc.string({ minLength: 1, maxLength: 50 }), after: fc.jsonValue() })
      .map(({ before, model, after }) => ({ before, 'a"\\{[': before, model, stream: true, after }));
    fc.assert(
      fc.property(body, fc.constantFrom(undefined, 1, '\t\r\n '), fc.string(), (value, space, other) => {
        const bytes = Buffer.from(JSON.stringify(value, null, space));
        const found = peek(bytes);
        expect(found).toMatchObject({ model: JSON.parse(bytes.toString()).model, stream: true });
        if (!found) return;
        const changed = withModel(bytes, found, other);
        expect(JSON.parse(changed.toString())).toEqual({ ...JSON.parse(bytes.toString()), model: other });
        expect(changed.length - bytes.length).toBe(
          Buffer.byteLength(JSON.stringify(other)) - (found.modelAt[1] - found.modelAt[0]),
        );
      }),
    );
  });

  it('no fields are read from a body that is not an object with a model', () => {
    for (const text of [
      '',
      ' ',
      'null',
      '[]',
      '"model"',
      '{}',
      '{"model":1}',
      '{"model":""}',
      '{"model":"a"',
      '{"model":"a',
      '{"model":"a"} {',
      '{"model" "a"}',
      '{"messages":[{"model":"a"}]}',
      '{"x":"{\\"model\\":\\"a\\"}"}',
      '{"a":[[[}',
      '{'.repeat(100_000),
      `{"model":"${'m'.repeat(1_000)}"}`,
      '\ufeff{"model":"a"}',
    ])
      expect(peeked(text), text.slice(0, 50)).toBeNull();
  });

  it('of duplicate fields the last one is read, escaped names are recognized, and only true counts as true', () => {
    expect(peeked('{"model":"a","model" : "b" ,"stream":"true"}')).toMatchObject({ model: 'b', stream: false });
    expect(peeked('{"\\u006dodel":"\\u0061","stream": true }')).toMatchObject({ model: 'a', stream: true });
  });

  it('conversations are distinguished by their beginning', () => {
    const at = (first: string, more: readonly unknown[] = [], system = 'S', mark?: object) =>
      peeked(
        JSON.stringify({
          model: 'm',
          system,
          messages: [
            { role: 'user', content: [{ type: 'text', text: first, ...(mark && { cache_control: mark }) }] },
            ...more,
          ],
        }),
      )?.beginning;
    expect(at('a', [{ role: 'assistant', content: 'x' }])).toBe(at('a'));
    expect(at('a', [], 'S', { type: 'ephemeral' })).toBe(at('a'));
    expect(at('b')).not.toBe(at('a'));
    expect(at('a', [], 'T')).not.toBe(at('a'));
  });

  it('reading a hostile body takes no longer than reading another body of its size', () => {
    const size = 4_000_000;
    for (const filler of ['\\\\', '\\"', '{', '[', '"",', '{"a":[', '":"']) {
      const started = performance.now();
      peeked(`{"a":"${filler.repeat(size / filler.length)}","model":"m"}`);
      peeked(`{"a":${filler.repeat(size / filler.length)}`);
      expect(performance.now() - started, filler).toBeLessThan(3_000);
    }
  });
});

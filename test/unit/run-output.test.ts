import { PlainText, TerminalText } from '@devlm/protocol/terminal-text.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { receiptLine } from '../../extension/src/runs/receipt-line.ts';
import { appended, noOutput, type Output, outputText } from '../../webview-ui/src/state/run-output.ts';
import { executed } from '../support/executions.ts';

const esc = '\u001b';
const bell = '\u0007';
/** Control sequences that a program may print. */
const printed = [
  `plain\ttext\r\nnext`,
  `${esc}[31mred${esc}[0m and ${esc}[1;38:2::1:2:3mbold${esc}[m`,
  `title${esc}]0;owned${bell}end`,
  `clip${esc}]52;c;aGVsbG8=${esc}\\board`,
  `link${esc}]8;;https://evil.example${esc}\\text${esc}]8;;${esc}\\`,
  `clear${esc}[2J${esc}[H${esc}c${esc}7${esc}(Bscreen`,
  `back\u0008\u0007\u0000\u009bspace`,
];

describe('what a program prints', () => {
  const plain = ['plain\ttext\nnext', 'red and bold', 'titleend', 'clipboard', 'linktext', 'clearscreen', 'backspace'];

  it('output is shown in the page without control sequences', () => {
    expect(printed.map((text) => new PlainText().take(text))).toEqual(plain);
    expect(new PlainText().take('10%\r20%\r\n')).toBe('10%\n20%\n');
  });

  it('output in a terminal keeps its colors and no other control sequences', () => {
    expect(printed.map((text) => new TerminalText().take(text))).toEqual([
      'plain\ttext\r\nnext',
      printed[1],
      'titleend',
      'clipboard',
      'linktext',
      'clearscreen',
      'back\u0008space',
    ]);
  });

  it.each([
    ['page', () => new PlainText()],
    ['terminal', () => new TerminalText()],
  ])('output is the same however it is split into chunks: %s', (_name, make) => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...printed), { maxLength: 5 }),
        fc.infiniteStream(fc.nat(9)),
        (texts, cuts) => {
          // A carriage return at the end may become CRLF with the next chunk.
          const text = `${texts.join('')}.`;
          const whole = make().take(text);
          const pieces = make();
          let got = '';
          for (let at = 0; at < text.length; ) {
            const next = at + 1 + (cuts.next().value ?? 0);
            got += pieces.take(text.slice(at, next));
            at = next;
          }
          expect(got.replaceAll('\r', '')).toBe(whole.replaceAll('\r', ''));
        },
      ),
    );
  });

  it('an endless escape sequence does not hold output back forever', () => {
    const text = new PlainText();
    text.take(`${esc}]0;`);
    expect(text.take('x'.repeat(3_000))).toContain('xxx');
  });
});

describe('kept output', () => {
  it('kept output has its beginning and its end in a bounded number of pieces, and says what is missing', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 9_000 })), { maxLength: 700 }), (steps) => {
        let output: Output = noOutput;
        let all = '';
        steps.forEach(([error, length], index) => {
          const text = String.fromCharCode(97 + (index % 26)).repeat(length);
          all += text;
          output = appended(output, error ? 'stderr' : 'stdout', text);
        });
        const kept = outputText(output, () => '|');
        const [head = '', tail = ''] = output.skipped === 0 ? [kept, ''] : kept.split('\n|\n');
        expect(output.chars).toBe(all.length);
        expect(head.length + tail.length + output.skipped).toBe(all.length);
        expect(all.startsWith(head)).toBe(true);
        expect(all.endsWith(tail)).toBe(true);
        expect(output.head.length + output.tail.length).toBeLessThanOrEqual(520);
        expect(kept.length).toBeLessThan(90_000);
        const keys = [...output.head, ...output.tail].map(({ key }) => key);
        expect(new Set(keys).size).toBe(keys.length);
      }),
      { numRuns: 30 },
    );
  });
});

describe('the receipt line of a run', () => {
  const t = (text: string, ...args: (string | number)[]) =>
    text.replaceAll(/\{(\d)\}/g, (_, index) => String(args[Number(index)]));
  const line = (result: Parameters<typeof executed>[1]) => receiptLine(executed({}, result).record, t);

  it.each([
    [{}, 'Exit 0 · 13 ms · 8.6 MB · Docker python'],
    [{ status: 'failed', exitCode: 2, wallMs: 1_250 }, 'Exit 2 · 1.3 s · 8.6 MB · Docker python'],
    [{ status: 'failed', exitCode: 139, signal: 'SIGSEGV' }, 'Exit 139 (SIGSEGV) · 13 ms · 8.6 MB · Docker python'],
    [{ status: 'timeout', exitCode: null, wallMs: 30_000 }, 'Timed out after 30 s · 30.0 s · 8.6 MB · Docker python'],
    [
      {
        status: 'out-of-memory',
        image: null,
        engine: { kind: 'embedded', runtime: 'pyodide', networkCut: true, warm: false },
      },
      'Out of memory (50 MB) · 13 ms · 8.6 MB · Embedded engine: Docker is not running (pyodide)',
    ],
    [
      {
        status: 'engine-error',
        image: null,
        engine: { kind: 'embedded', runtime: 'none', networkCut: true, warm: false },
        peakMemoryBytes: null,
      },
      'Could not run · 13 ms · Embedded engine: Docker is not running',
    ],
    [{ status: 'engine-error', engine: null, image: null, message: 'Start Docker.' }, 'Could not run\nStart Docker.'],
  ] as const)('the receipt line describes %j', (result, words) => {
    expect(line(result)).toBe(words);
  });
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { applyEdit } from '../server/src/actions/edits/edit.ts';
import { FolderWorkspace } from '../server/src/workspace/folder/folder-workspace.ts';
import { corpus } from '../test/unit/edits/corpus/all.ts';
import { outcomeOf, rightOf } from '../test/unit/edits/outcome.ts';

/*
 * Runs the corpus, in which each case has a single correct outcome, and measures the time of an edit by file size for each
 * way in which an edit is placed or refused. The peer `String.replace`, which checks nothing, is the lower bound.
 */

const rounds = 41;
setFlagsFromString('--expose-gc');
/** Collects garbage before each round, so that the texts that the benchmark creates are not collected during it. */
const collect: () => void = runInNewContext('gc');

const print = (figure: string, value: number, more = {}) =>
  console.log(JSON.stringify({ bench: 'edits', figure, value, ...more }));

const tally = { right: 0, refused: 0, wrong: 0, misjudged: 0 };
const root = await mkdtemp(join(tmpdir(), 'devlm-bench-edits-'));
for (const [index, each] of corpus.entries()) {
  const folder = join(root, `${index}`);
  const outcome = await outcomeOf(each, folder, new FolderWorkspace(folder));
  if (outcome.refusal !== null) tally.refused++;
  if (JSON.stringify(outcome) === JSON.stringify(rightOf(each))) tally.right++;
  else if (outcome.refusal !== null) tally.misjudged++;
  else {
    tally.wrong++;
    console.error(`wrong text: ${each.name}`);
  }
}
await rm(root, { recursive: true });
print('cases', corpus.length);
print('right', tally.right);
print('refused', tally.refused);
print('wrong', tally.wrong);
// Refused although the edit should have been made, or refused with another code: no file is damaged, but the outcome is
// wrong.
print('refused_otherwise', tally.misjudged);
if (tally.right < corpus.length) process.exitCode = 1;

for (const count of [100, 1_000, 50_000]) {
  const lines = Array.from({ length: count }, (_, index) => `  const value${index} = compute(${index}, "é");`);
  const file = `${lines.join('\n')}\n`;
  const middle = lines.slice(count / 2, count / 2 + 6);
  const one = (change: (line: string) => string) => middle.map((line, index) => (index === 3 ? change(line) : line));
  const curlyOf = (text: string) => text.replaceAll('"', '“');
  const curly = curlyOf(file);
  const stages = [
    ['exact', middle, file],
    ['exact', middle, file.replaceAll('\n', '\r\n')],
    ['whitespace', middle.map((line) => line.trim()), file],
    ['look-alike', middle, curly.replace(curlyOf(middle[0] ?? ''), () => middle[0] ?? '')],
    ['similar', one((line) => line.replace(', ', ',')), file],
    ['near-miss', one((line) => `${line} // was`), file],
    ['near-miss', middle.map((line) => line.replace('const', 'let')), file],
    [
      'near-miss',
      ['  return;', '}', '', '  const value = computed(0);'],
      `${'  return;\n}\n\n'.repeat(count / 2)}${file.slice(0, file.length / 2)}`,
    ],
    ['not-found', ['zebra quokka', 'wombat'], file],
  ] as const;
  for (const [index, [stage, old, text]] of stages.entries()) {
    const oldText = `${old.join('\n')}\n`;
    const newText = `measure(0);\n${oldText.slice(oldText.indexOf('\n') + 1)}`;
    const found = middle.join('\n');
    const [times, busy, floor]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round < rounds; round++) {
      // Each round has its own copy of the text, as if it came from a file, so that nothing is cached from an earlier
      // round.
      const fresh = Buffer.from(text).toString();
      const other = Buffer.from(text).toString();
      if (count > 1_000) collect();
      const cpu = process.threadCpuUsage();
      const from = performance.now();
      const result = applyEdit(fresh, { oldText, newText });
      const between = performance.now();
      const used = process.threadCpuUsage(cpu);
      other.replace(found, () => newText);
      floor.push(performance.now() - between);
      times.push(between - from);
      busy.push((used.user + used.system) / 1000);
      const outcome = result.ok ? result.how : result.code;
      if (outcome !== stage) throw new Error(`stage ${index} at ${count} lines should be ${stage} and was ${outcome}`);
    }
    const at = (all: number[], share: number) => all.toSorted((a, b) => a - b)[Math.floor(rounds * share)] ?? 0;
    print('edit_ms', Number(at(times, 0.95).toFixed(2)), {
      lines: count,
      stage,
      case: index,
      at: 'p95',
      median: Number(at(times, 0.5).toFixed(2)),
      // Processor time only, which excludes the influence of other processes.
      cpu_p95: Number(at(busy, 0.95).toFixed(2)),
      peer: 'String.replace',
      ratio: Number((at(times, 0.5) / Math.max(0.001, at(floor, 0.5))).toFixed(1)),
    });
  }
}

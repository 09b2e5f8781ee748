import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { share } from '../support/deep.ts';
import { parityAreas } from '../support/guest-parity/areas.ts';
import { differences } from '../support/guest-parity/differences.ts';
import { type ParityProgram, programsOf } from '../support/guest-parity/parity.ts';
import { batchOf, type Outcome, outcomesOf, runOnGuest, runOnNode } from '../support/guest-parity/run.ts';
import { exportsProgram, missingProgram, supportPage } from '../support/guest-parity/support-page.ts';
import { type OpenSandbox, openSandbox } from '../support/sandboxes.ts';

/*
 * Runs the same programs on the guest of the embedded sandbox and on Node, and compares what they print and how they
 * end. A program with a known difference has to differ, so that the list of differences stays true.
 */

let opened: OpenSandbox;
beforeAll(async () => {
  opened = await openSandbox('embedded', ['javascript']);
});
afterAll(() => opened[Symbol.asyncDispose]());

function compare(area: string, { name }: ParityProgram, node: Outcome | undefined, guest: Outcome | undefined): void {
  const known = differences.find((row) => row.area === area && row.name === name);
  if (known) expect(guest, `${area}, ${name} no longer differs: remove it from differences.ts`).not.toEqual(node);
  else expect(guest, `${area}, ${name}`).toEqual(node);
}

// Snippets of an area share a process, so they always run. Of the other programs a usual run has an eighth.
describe.each(parityAreas)('$area', ({ area, snippets, programs }) => {
  test.runIf(snippets.length > 0)(
    'snippets print the same in the embedded sandbox as on Node',
    async () => {
      const batch = batchOf(snippets);
      const [node, guest] = await Promise.all([runOnNode(batch), runOnGuest(opened.sandbox, batch)]);
      const [expected, received] = [outcomesOf(node), outcomesOf(guest)];
      expect(expected, node.stderr).toHaveLength(snippets.length);
      for (const [i, snippet] of snippets.entries()) compare(area, snippet, expected[i], received[i]);
    },
    60_000,
  );

  test.each(share(programs, 8, area.length))(
    '$name',
    async (program) => {
      const [node, guest] = await Promise.all([runOnNode(program), runOnGuest(opened.sandbox, program)]);
      compare(area, program, node, guest);
    },
    60_000,
  );
});

test('each known difference names a program', () => {
  const names = new Set(parityAreas.flatMap((area) => programsOf(area).map(({ name }) => `${area.area}: ${name}`)));
  expect(differences.filter(({ area, name }) => !names.has(`${area}: ${name}`))).toEqual([]);
});

test('parity is tested with at least 120 programs', () => {
  expect(parityAreas.flatMap(programsOf).length).toBeGreaterThanOrEqual(120);
});

test('docs/embedded-javascript.md is up to date', async () => {
  const exported = await runOnNode(exportsProgram);
  const missing = await runOnGuest(opened.sandbox, missingProgram(exported.stdout.trim()));
  await expect(supportPage(JSON.parse(missing.stdout))).toMatchFileSnapshot('../../docs/embedded-javascript.md');
});

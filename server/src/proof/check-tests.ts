import { type ExecutionRecord, ExecutionRequest } from '@devlm/protocol/execution.ts';
import { type Mutant, TestFramework, type TestReport } from '@devlm/protocol/tasks.ts';
import * as z from 'zod';
import { describeRecord } from '../actions/effects/describe-record.ts';
import { defineTool, done, failed, type ToolContext, type ToolOutcome } from '../actions/tool.ts';
import { PathInput } from '../actions/tools/inputs.ts';
import { sha256Hex } from '../sha256.ts';
import { readSandboxFiles, type SandboxFile } from '../workspace/sandbox-files.ts';
import { linesOfFunction, mutationsOf } from './mutants.ts';
import { type TestCommand, testCommand, whyInconclusive } from './test-commands.ts';

/** Number of failing runs in a turn after which the tests are not run again: the first version and two corrections. */
const maxFailures = 3;
/** Maximum number of runs per turn. */
const maxRuns = 8;
/** Maximum number of mutants that passing tests are run against. */
const maxMutants = 6;
/** Time limit for the runs against all mutants, in milliseconds. */
const mutantsTimeoutMs = 60_000;

const CheckTestsInput = z.strictObject({
  framework: TestFramework,
  tests: z.array(PathInput).min(1).max(20).describe('The test files to run.'),
  subject: PathInput.describe('The file with the code under test.'),
  function: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('The function under test, if the tests are for a single one.'),
  files: z
    .array(PathInput)
    .max(50)
    .default([])
    .describe('Other files that the tests need: paths or globs of the workspace, such as lib/**.'),
});
type CheckTestsInput = z.output<typeof CheckTestsInput>;

/** The tool `check_tests`: runs tests in the sandbox, and against mutants of the code under test. */
export const checkTests = defineTool({
  name: 'check_tests',
  description:
    'Runs test files of the workspace in the sandbox, together with the file under test and any other files you name. ' +
    'Returns what the server recorded. Tests that pass are then run against slightly wrong versions of the code under test, ' +
    `and the result says how many of these they catch. After ${maxFailures} failing runs in one turn, no further runs are allowed.`,
  input: CheckTestsInput,
  readOnly: false,
  async run(input, context) {
    const earlier = context.earlier.flatMap(({ tests }) => tests ?? []);
    const failures = earlier.filter(({ verdict }) => verdict === 'failed').length;
    if (failures >= maxFailures)
      return failed(`The tests failed ${failures} times and are not run again. Tell the user that they fail, and why.`);
    if (earlier.length >= maxRuns)
      return failed('The limit of test runs in this turn is reached. Tell the user what is known.');
    const files = await readSandboxFiles(await context.workspace(), filesOf(input), context.signal);
    if (typeof files === 'string') return failed(files);
    const subject = files.find(({ path }) => path === input.subject);
    if (!subject) return failed(`${input.subject} does not exist.`);
    const command = testCommand(input.framework, input.tests);
    const id = idOf(context, '');
    const request = requestOf(id, command, files);
    if (typeof request === 'string') return failed(request);
    if (!context.begun) await context.begin({ executionId: id });
    const { conversationId, turnId, callId } = context;
    const origin = { conversationId, turnId, part: callId.slice(0, 64) };
    const record = await context.execute({ ...request, origin }, (text) => context.output(text));
    return await judgeRun(context, input, record, failures, () =>
      mutantsOf(context, { input, command, files, subject }, record),
    );
  },
});

/** Returns the tool result for a run of the tests, judged by its record. */
async function judgeRun(
  { signal }: ToolContext,
  { framework, subject }: CheckTestsInput,
  record: ExecutionRecord,
  failuresBefore: number,
  tryMutants: () => Promise<Mutant[]>,
): Promise<ToolOutcome> {
  const inconclusive = whyInconclusive(framework, record);
  const verdict = inconclusive ? 'unknown' : record.status === 'ok' ? 'passed' : 'failed';
  const failures = failuresBefore + (verdict === 'failed' ? 1 : 0);
  const report = (mutants: Mutant[]): TestReport => ({
    executionId: record.id,
    verdict,
    exitCode: record.exitCode,
    failures,
    mutants,
  });
  const outcome = (words: string, mutants: Mutant[] = []) =>
    (record.status === 'engine-error' ? failed : done)(`${words}\n${describeRecord(record)}`, {
      executionId: record.id,
      tests: report(mutants),
    });
  if (inconclusive) return outcome(inconclusive);
  if (verdict === 'failed') {
    return outcome(
      failures >= maxFailures
        ? `The tests failed, and the limit of ${failures} failing runs is reached. Stop here. Tell the user that they fail, and why.`
        : `The tests failed. Fix what is wrong. Failing runs left: ${maxFailures - failures}.`,
    );
  }
  const mutants = await tryMutants();
  signal.throwIfAborted();
  if (mutants.length === 0)
    return outcome(
      'The tests passed. It is not known whether they catch wrong code, because no wrong version could be made and run.',
    );
  const caught = mutants.filter((mutant) => mutant.caught).length;
  const missed = mutants
    .filter((mutant) => !mutant.caught)
    .map(({ line, before, after }) => `- ${subject}:${line}: \`${before}\` became \`${after}\``);
  const words = [`The tests passed and caught ${caught} of ${mutants.length} wrong versions of the code.`];
  if (caught === 0)
    words.push('They catch nothing, so they do not test this code. Write tests that fail when the code is wrong.');
  if (missed.length > 0) words.push(`These were not caught:\n${missed.join('\n')}`);
  return outcome(words.join('\n'), mutants);
}

/** What is needed to run the tests again. */
interface TestRun {
  readonly input: CheckTestsInput;
  readonly command: TestCommand;
  readonly files: readonly SandboxFile[];
  readonly subject: SandboxFile;
}

/** Runs the tests against mutants of the code, one after the other, within the time limit. */
async function mutantsOf(
  context: ToolContext,
  { input: { function: name }, command, files, subject }: TestRun,
  passed: ExecutionRecord,
): Promise<Mutant[]> {
  const { language } = command;
  const lines = name === undefined ? null : linesOfFunction(subject.content, language, name);
  const deadline = performance.now() + mutantsTimeoutMs;
  // A mutant that runs for much longer than the code itself probably never ends.
  const wallMs = Math.min(passed.limits.wallMs, Math.ceil(passed.wallMs * 3) + 3_000);
  const mutants: Mutant[] = [];
  for (const [nth, { text, line, before, after }] of mutationsOf(
    subject.content,
    language,
    lines,
    maxMutants,
  ).entries()) {
    if (performance.now() > deadline) break;
    context.signal.throwIfAborted();
    const changed = files.map((file) => (file === subject ? { ...file, content: text } : file));
    const request = requestOf(idOf(context, `mutant ${nth}`), command, changed, wallMs);
    if (typeof request === 'string') break;
    const record = await context.execute(request, () => undefined);
    // A mutant that does not build is not a version of the code, and one that did not run proves nothing.
    if (record.status === 'engine-error' || record.status === 'cancelled' || isBroken(record)) continue;
    mutants.push({ path: subject.path, line, before, after, executionId: record.id, caught: record.status !== 'ok' });
  }
  return mutants;
}

/** Returns whether the program never ran because it could not be parsed or compiled. */
function isBroken({ status, stdout, stderr }: ExecutionRecord): boolean {
  return status !== 'ok' && /\[(?:build|setup) failed\]|SyntaxError|syntax error/.test(`${stdout}\n${stderr}`);
}

/**
 * Returns the files that a run needs, judged by their paths: those beside the code, and those that define the project.
 */
function filesOf({ framework, tests, subject, files }: CheckTestsInput): string[] {
  const beside = (path: string) => path.replace(/[^/]*?(\.\w+)?$/, '*$1');
  const project = framework === 'go' ? ['go.*', ...tests.map(beside)] : framework === 'node' ? ['package.json*'] : [];
  return [...new Set([subject, ...tests, ...files, beside(subject), ...project])];
}

function requestOf(
  id: string,
  { language, command, env }: TestCommand,
  files: readonly SandboxFile[],
  wallMs?: number,
): ExecutionRequest | string {
  const request = ExecutionRequest.safeParse({
    id,
    language,
    files,
    command,
    env,
    ...(wallMs === undefined ? {} : { limits: { wallMs } }),
  });
  if (request.success) return request.data;
  const issue = request.error.issues[0];
  return `Cannot run the tests. ${issue?.path.join('.')}: ${issue?.message}.`;
}

/** Returns an id derived from the call, so that after a crash the record is found instead of running it again. */
function idOf({ turnId, callId }: ToolContext, part: string): string {
  return sha256Hex(`${turnId} ${callId} ${part}`).slice(0, 32);
}

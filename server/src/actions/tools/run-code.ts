import { ExecutionRequest, languages } from '@devlm/protocol/execution.ts';
import * as z from 'zod';
import { sha256Hex } from '../../sha256.ts';
import { readSandboxFiles } from '../../workspace/sandbox-files.ts';
import { describeRecord } from '../effects/describe-record.ts';
import { permit, policySource } from '../policy/permission.ts';
import { cut, defineTool, done, failed, type ToolContext, type ToolOutcome } from '../tool.ts';
import { PathInput } from './inputs.ts';

/** The tool `run_code`: runs a program in the sandbox. */
export const runCode = defineTool({
  name: 'run_code',
  description:
    'Runs a program in the sandbox: without network access, without access to the workspace except for the files you name, and nothing is kept. ' +
    'Returns what the server recorded: exit code and output. Say that something passes or works only if such a record shows it. ' +
    'To run tests, name the files they need in workspaceFiles and give the command, such as ["python3", "-m", "pytest", "-q"] or ["node", "--test"].',
  input: z.strictObject({
    language: z
      .string()
      .max(32)
      .describe(`One of ${languages.join(', ')}.`),
    source: z.string().max(400_000).optional().describe('One file to run.'),
    files: z
      .array(z.strictObject({ path: PathInput, content: z.string().max(400_000) }))
      .max(100)
      .default([])
      .describe('Additional files that exist only in the sandbox.'),
    workspaceFiles: z
      .array(PathInput)
      .max(200)
      .default([])
      .describe(
        'Files of the workspace to copy into the sandbox under the same paths. Globs such as src/** are allowed.',
      ),
    entry: PathInput.optional().describe('The file to run if there are several.'),
    command: z.array(z.string().max(4096)).min(1).max(64).optional().describe('A command to run instead of a file.'),
    stdin: z.string().max(400_000).default(''),
    args: z.array(z.string().max(4096)).max(64).default([]),
    timeoutMs: z.int().min(100).max(300_000).optional(),
  }),
  readOnly: false,
  async run({ workspaceFiles, timeoutMs, files, ...input }, context) {
    const given = new Set(files.map(({ path }) => path));
    const wanted = workspaceFiles.filter((path) => !given.has(path));
    const copied = wanted.length === 0 ? [] : await readSandboxFiles(await context.workspace(), wanted, context.signal);
    if (typeof copied === 'string') return failed(copied);
    // The id is derived from the call, so that after a crash its record is found instead of running it again.
    const id = sha256Hex(`${context.turnId} ${context.callId}`).slice(0, 32);
    const request = ExecutionRequest.safeParse({
      ...input,
      id,
      files: [...files, ...copied.filter(({ path }) => !given.has(path))],
      ...(timeoutMs === undefined ? {} : { limits: { wallMs: timeoutMs } }),
      origin: { conversationId: context.conversationId, turnId: context.turnId, part: context.callId.slice(0, 64) },
    });
    if (!request.success) {
      const issue = request.error.issues[0];
      return failed(
        `The input of run_code is not valid. ${issue?.path.join('.')}: ${issue?.message}. Correct the input and call the tool again.`,
      );
    }
    if (!context.begun) {
      const refused = context.usesSecrets && (await permitSecrets(context, input));
      if (refused) return refused;
      await context.begin({ executionId: id });
    }
    const record = await context.execute(request.data, (text) => context.output(text));
    const text = describeRecord(record);
    return record.status === 'engine-error' ? failed(text, { executionId: id }) : done(text, { executionId: id });
  },
});

/**
 * Asks the user before a program gets a credential, because it could print it in another form. Other programs need no
 * permission.
 */
async function permitSecrets(context: ToolContext, program: unknown): Promise<ToolOutcome | null> {
  const action = { tool: 'run_code', effect: 'run' } as const;
  return permit(context, await policySource(context), action, () => ({
    title: 'Run a program in the sandbox with a credential',
    detail: cut(JSON.stringify(program, null, 2).replaceAll('\\n', '\n'), 100_000),
    format: 'text',
  }));
}

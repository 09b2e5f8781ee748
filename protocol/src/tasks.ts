import * as z from 'zod';
import { Id } from './ids.ts';
import { limits } from './limits.ts';

/*
 * What the editor's commands ask for. A turn that names its task brings the model instructions for it, and
 * the tools that it needs and no others; the words and the attachments are those of any message.
 */

export const Task = z.enum(['explain', 'fix', 'generate', 'test', 'document', 'review', 'commit']);
export type Task = z.infer<typeof Task>;

/** Text that is handed over to whoever asked, instead of being written to a file: code, or a commit message. */
export const Proposal = z.object({ text: z.string().min(1).max(limits.attachmentChars) });
export type Proposal = z.infer<typeof Proposal>;

/** One small change that was made to the code under test, to see whether the tests notice. */
export const Mutant = z.object({
  path: z.string().max(4096),
  /** 1-based. */
  line: z.int().min(1),
  /** What stood there and what was put there. */
  before: z.string().max(200),
  after: z.string().max(200),
  /** The run of the tests against it. */
  executionId: Id,
  caught: z.boolean(),
});
export type Mutant = z.infer<typeof Mutant>;

/**
 * What a run of tests came to, as its stored execution has it: `passed` is exit code 0, `failed` another end of
 * the program. `unknown`: the sandbox did not run it.
 */
export const TestReport = z.object({
  executionId: Id,
  verdict: z.enum(['passed', 'failed', 'unknown']),
  exitCode: z.int().nullable(),
  /** Failing runs of this turn, this one included. */
  failures: z.int().min(0),
  /** Of tests that passed. */
  mutants: z.array(Mutant).max(20),
});
export type TestReport = z.infer<typeof TestReport>;

/** What tests are written for. */
export const TestFramework = z.enum(['pytest', 'unittest', 'node', 'vitest', 'jest', 'go', 'minitest', 'rspec']);
export type TestFramework = z.infer<typeof TestFramework>;

import * as z from 'zod';
import { Id } from './ids.ts';
import { limits } from './limits.ts';

/*
 * The tasks behind the editor's commands. A turn with a task gives the model instructions for it and only the tools
 * that it needs. Its text and attachments are those of any message.
 */

/** The task of a turn. */
export const Task = z.enum(['explain', 'fix', 'generate', 'test', 'document', 'review', 'commit']);
export type Task = z.infer<typeof Task>;

/** Text that is handed over to the requesting command instead of being written to a file: code or a commit message. */
export const Proposal = z.object({ text: z.string().min(1).max(limits.attachmentChars) });
export type Proposal = z.infer<typeof Proposal>;

/** A small change made to the code under test, to check whether the tests notice it. */
export const Mutant = z.object({
  path: z.string().max(4096),
  /** 1-based line. */
  line: z.int().min(1),
  /** The original text. */
  before: z.string().max(200),
  /** The text that replaced it. */
  after: z.string().max(200),
  /** The run of the tests against the changed code. */
  executionId: Id,
  /** Whether the tests failed, and so noticed the change. */
  caught: z.boolean(),
});
export type Mutant = z.infer<typeof Mutant>;

/**
 * The result of a test run, judged by its stored execution: `passed` is exit code 0, `failed` any other end of the
 * program, `unknown` a run that the sandbox could not make.
 */
export const TestReport = z.object({
  executionId: Id,
  verdict: z.enum(['passed', 'failed', 'unknown']),
  exitCode: z.int().nullable(),
  /** Number of failing runs of this turn, including this one. */
  failures: z.int().min(0),
  /** The mutants that were tried, if the tests passed. */
  mutants: z.array(Mutant).max(20),
});
export type TestReport = z.infer<typeof TestReport>;

/** A test framework. */
export const TestFramework = z.enum(['pytest', 'unittest', 'node', 'vitest', 'jest', 'go', 'minitest', 'rspec']);
export type TestFramework = z.infer<typeof TestFramework>;

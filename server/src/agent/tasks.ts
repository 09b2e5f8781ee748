import type { Task } from '@devlm/protocol/tasks.ts';
import type { Tool } from '../actions/tool.ts';

/** Instructions and tools of a task. */
interface TaskRow {
  /** Text that the model is given before the user's message. */
  readonly instructions: string;
  /** Returns whether the model may use a tool. */
  readonly uses: (tool: Tool) => boolean;
}

/** Tools other than `check_tests` that run programs. With them, tests could be run more often than allowed. */
const otherRunners: ReadonlySet<string> = new Set(['run_code', 'run_command', 'command_control']);
/** Tools of tasks that change nothing. */
const isReadOnlyTool = ({ readOnly, name }: Tool) => readOnly && name !== 'propose';
/** Tools of tasks that deliver a text with `propose`. */
const isProposalTool = ({ readOnly, name }: Tool) => readOnly && name !== 'update_plan' && name !== 'ask_user';
/** Tools of all other turns. */
const isDefaultTool = ({ name }: Tool) => name !== 'propose';

/** Instructions and tools of each task. */
const tasks: Readonly<Record<Task, TaskRow>> = {
  explain: {
    instructions:
      'Explain the attached code to a reader who knows the language but not this project: what it is for, how it works, and what is surprising about it. Look at what it calls and what calls it where that matters. Do not change anything.',
    uses: isReadOnlyTool,
  },
  fix: {
    instructions:
      'Fix the problems that the message names, with the smallest change that removes their cause. Read the file first, change it with the file tools, and check the diagnostics afterwards. If the problem is a false alarm, say so instead.',
    uses: isDefaultTool,
  },
  generate: {
    instructions:
      'Write the code that the message asks for and hand it over with one call of `propose`. It replaces the text between the marks in the attached file, or is inserted there if there is nothing between them, so it has to fit its surroundings: style, names, imports. Indent it to match the place. Look at other files if you need to know what they contain. Do not put the code into your answer.',
    uses: isProposalTool,
  },
  test: {
    instructions:
      'Write tests for the attached code, in the framework and the file that the message names, in the style of the neighboring tests if there are any. Test what the code is for: usual cases, limits, and wrong input. Do not change the code under test; if it is wrong, let the test show it and say so. Write the file with the file tools, then run it with `check_tests`. If tests fail, fix them and run them again as long as that tool lets you. If it says that wrong versions of the code were not caught, add the missing tests. In your answer, say only what the last result of `check_tests` says about the tests, including failures.',
    uses: ({ name }) => name !== 'propose' && !otherRunners.has(name),
  },
  document: {
    instructions:
      'Write documentation comments for the attached code, in the usual form of its language and in the style of the file: what it does, its parameters, what it returns, what it throws; nothing that the code already says. Change the file with the file tools, and change only comments.',
    uses: isDefaultTool,
  },
  review: {
    instructions:
      'Review the attached code: mistakes first, then what will break later, then what is hard to read. For each point, name the line, say what goes wrong and when, and how to do it better. Check each point against the code before you make it. Leave out praise and matters of taste. Do not change anything.',
    uses: isReadOnlyTool,
  },
  commit: {
    instructions:
      'Write a commit message for the attached changes and hand it over with one call of `propose`: a first line of at most 72 characters, in the imperative, that says what the change does; then, if the reason is not obvious, an empty line and the reason, in lines of at most 72 characters. Follow the form of the earlier messages if there are any.',
    uses: isProposalTool,
  },
};

/** Returns the text that the model is given before the user's message, or null if the turn has no task. */
export function taskInstructions(task: Task | undefined): string | null {
  return task ? tasks[task].instructions : null;
}

/** Returns whether a turn may use a tool. */
export function taskUses(task: Task | undefined, tool: Tool): boolean {
  return task ? tasks[task].uses(tool) : isDefaultTool(tool);
}

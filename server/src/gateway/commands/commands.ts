import { budgetCommand } from './budget.ts';
import type { Command } from './command-line.ts';
import { instanceCommand } from './instance.ts';
import { tokenCommand } from './token.ts';
import { usageCommand } from './usage.ts';
import { userCommand } from './user.ts';

/** The commands of `devlm` by name. */
export const commands: ReadonlyMap<string, Command> = new Map([
  ['token', tokenCommand],
  ['user', userCommand],
  ['instance', instanceCommand],
  ['usage', usageCommand],
  ['budget', budgetCommand],
]);

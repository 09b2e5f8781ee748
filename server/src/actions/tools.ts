import type { Tool } from './tool.ts';
import { applyPatch } from './tools/apply-patch.ts';
import { askUser } from './tools/ask-user.ts';
import { checkTests } from './tools/check-tests.ts';
import { commandControl } from './tools/command-control.ts';
import { diagnostics } from './tools/diagnostics.ts';
import { fileEdit } from './tools/file-edit.ts';
import { fileList } from './tools/file-list.ts';
import { fileRead } from './tools/file-read.ts';
import { fileSearch } from './tools/file-search.ts';
import { fileWrite } from './tools/file-write.ts';
import { propose } from './tools/propose.ts';
import { runCode } from './tools/run-code.ts';
import { runCommand } from './tools/run-command.ts';
import { symbolSearch } from './tools/symbol-search.ts';
import { updatePlan } from './tools/update-plan.ts';
import { webFetch } from './tools/web-fetch.ts';
import { webSearch } from './tools/web-search.ts';

/** The tools by what they need. A new one is a file in `tools/` and its name here. */
export const workspaceTools: readonly Tool[] = [
  fileRead,
  fileList,
  fileSearch,
  symbolSearch,
  diagnostics,
  updatePlan,
  askUser,
];
export const changingTools: readonly Tool[] = [fileEdit, fileWrite, applyPatch];
export const codeTools: readonly Tool[] = [runCode];
/** For what works on files and runs programs. */
export const testTools: readonly Tool[] = [checkTests];
/** For the commands that put text somewhere by themselves. */
export const proposingTools: readonly Tool[] = [propose];
export const commandTools: readonly Tool[] = [runCommand, commandControl];
export const webTools: readonly Tool[] = [webSearch, webFetch];

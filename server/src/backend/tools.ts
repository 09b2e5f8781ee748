import type { Tool } from '../actions/tool.ts';
import { applyPatch } from '../actions/tools/apply-patch.ts';
import { askUser } from '../actions/tools/ask-user.ts';
import { commandControl } from '../actions/tools/command-control.ts';
import { diagnostics } from '../actions/tools/diagnostics.ts';
import { fileEdit } from '../actions/tools/file-edit.ts';
import { fileList } from '../actions/tools/file-list.ts';
import { fileRead } from '../actions/tools/file-read.ts';
import { fileSearch } from '../actions/tools/file-search.ts';
import { fileWrite } from '../actions/tools/file-write.ts';
import { propose } from '../actions/tools/propose.ts';
import { runCode } from '../actions/tools/run-code.ts';
import { runCommand } from '../actions/tools/run-command.ts';
import { symbolSearch } from '../actions/tools/symbol-search.ts';
import { updatePlan } from '../actions/tools/update-plan.ts';
import { webFetch } from '../actions/tools/web-fetch.ts';
import { webSearch } from '../actions/tools/web-search.ts';
import { checkTests } from '../proof/check-tests.ts';

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

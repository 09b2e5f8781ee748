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

/* The tools, grouped by what they need. A new tool is a file in `actions/tools/` and its name here. */

/** Tools that need a workspace. */
export const workspaceTools: readonly Tool[] = [
  fileRead,
  fileList,
  fileSearch,
  symbolSearch,
  diagnostics,
  updatePlan,
  askUser,
];
/** Tools that change files; not available in restricted mode. */
export const changingTools: readonly Tool[] = [fileEdit, fileWrite, applyPatch];
/** Tools that need a sandbox. */
export const codeTools: readonly Tool[] = [runCode];
/** Tools that need a workspace and a sandbox. */
export const testTools: readonly Tool[] = [checkTests];
/** Tools of tasks that insert their result into a file themselves. They need nothing else. */
export const proposingTools: readonly Tool[] = [propose];
/** Tools that need a workspace in which commands can run. */
export const commandTools: readonly Tool[] = [runCommand, commandControl];
/** Tools that need access to the web. */
export const webTools: readonly Tool[] = [webSearch, webFetch];

import type { Tool } from './tool.ts';
import { applyPatch } from './tools/apply-patch.ts';
import { askUser } from './tools/ask-user.ts';
import { diagnostics } from './tools/diagnostics.ts';
import { fileEdit } from './tools/file-edit.ts';
import { fileList } from './tools/file-list.ts';
import { fileRead } from './tools/file-read.ts';
import { fileSearch } from './tools/file-search.ts';
import { fileWrite } from './tools/file-write.ts';
import { runCode } from './tools/run-code.ts';
import { updatePlan } from './tools/update-plan.ts';

/** The tools by what they need. A new one is a file in `tools/` and its name here. */
export const workspaceTools: readonly Tool[] = [fileRead, fileList, fileSearch, diagnostics, updatePlan, askUser];
export const changingTools: readonly Tool[] = [fileEdit, fileWrite, applyPatch];
export const codeTools: readonly Tool[] = [runCode];

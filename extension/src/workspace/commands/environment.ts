import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { CommandShell } from '@devlm/protocol/commands.ts';

/** A shell and its path. */
export interface Shell {
  readonly name: CommandShell;
  readonly path: string;
}

/** Variables that are withheld from commands: secrets of DevLM and Claude, and variables that control the editor. */
const withheld = /^(ANTHROPIC|CLAUDE|DEVLM|VSCODE|ELECTRON)_/i;

/** Variables that make programs run unattended: no pager, no editor, no password prompt. */
const unattended = {
  TERM: 'dumb',
  PAGER: 'cat',
  GIT_PAGER: 'cat',
  GIT_EDITOR: 'true',
  GIT_TERMINAL_PROMPT: '0',
} as const;

/** Returns the environment of a command, derived from the editor's. */
export function commandEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !withheld.test(name));
  return { ...Object.fromEntries(kept), ...unattended };
}

/** Returns the shell that runs commands: bash if installed, else sh; PowerShell on Windows. */
export function findShell(env: NodeJS.ProcessEnv, platform: NodeJS.Platform = process.platform): Shell {
  if (platform === 'win32') return { name: 'powershell', path: 'powershell.exe' };
  for (const folder of [...(env['PATH'] ?? '').split(delimiter), '/bin', '/usr/bin']) {
    const path = join(folder || '/nowhere', 'bash');
    if (isExecutable(path)) return { name: 'bash', path };
  }
  return { name: 'sh', path: '/bin/sh' };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

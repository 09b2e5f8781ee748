import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { CommandShell } from '@devlm/protocol/commands.ts';

/** A shell and where it is. */
export interface Shell {
  readonly name: CommandShell;
  readonly path: string;
}

/** Variables that a command has no business with: DevLM's and Claude's secrets, and what steers the editor. */
const withheld = /^(ANTHROPIC|CLAUDE|DEVLM|VSCODE|ELECTRON)_/i;

/** What a program needs to know of a place where nobody types: no pager, no editor, no question for a password. */
const unattended = {
  TERM: 'dumb',
  PAGER: 'cat',
  GIT_PAGER: 'cat',
  GIT_EDITOR: 'true',
  GIT_TERMINAL_PROMPT: '0',
} as const;

/** The environment of a command, from the editor's. */
export function commandEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !withheld.test(name));
  return { ...Object.fromEntries(kept), ...unattended };
}

/** The shell that commands run with here: bash where there is one, else sh; PowerShell on Windows. */
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

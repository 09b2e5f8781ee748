import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { TokenInfo } from '@devlm/protocol/tokens.ts';
import * as z from 'zod';
import { serverCommand } from './server.ts';

/** Exit code and output of a `devlm` command. */
export interface Done {
  readonly code: unknown;
  readonly out: string;
  readonly err: string;
}

/** Runs `devlm` on a data folder, as an operator would. */
export async function devlm(
  dataDir: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Done> {
  const child = spawn(process.execPath, [...serverCommand(), ...args, '--data-dir', dataDir], {
    env: { PATH: process.env['PATH'], ...env },
  });
  const [[code], out, err] = await Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)]);
  return { code, out, err };
}

/** Adds a user and creates a token with all scopes of the chat. */
export async function addUser(dataDir: string, name: string): Promise<{ token: string; info: TokenInfo }> {
  const scopes = 'backend,llm,execute';
  await outputOf(devlm(dataDir, ['user', 'add', name]));
  const tokenJson = await outputOf(
    devlm(dataDir, ['token', 'create', '--name', name, '--user', name, '--scopes', scopes, '--json']),
  );
  return z.object({ token: z.string(), info: TokenInfo }).parse(JSON.parse(tokenJson));
}

async function outputOf(done: Promise<Done>): Promise<string> {
  const { code, out, err } = await done;
  if (code !== 0) throw new Error(`devlm ended with ${code}: ${err}`);
  return out;
}

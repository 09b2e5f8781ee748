import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { TokenInfo } from '@devlm/protocol/tokens.ts';
import * as z from 'zod';
import { serverCommand } from './server.ts';

/** What a command of `devlm` did. */
export interface Done {
  readonly code: unknown;
  readonly out: string;
  readonly err: string;
}

/** The command line as a person uses it, on a data folder. */
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

/** Adds a user and makes a token for the chat and all that belongs to it. */
export async function addUser(dataDir: string, name: string): Promise<{ token: string; info: TokenInfo }> {
  const scopes = 'backend,llm,execute';
  await said(devlm(dataDir, ['user', 'add', name]));
  const made = await said(
    devlm(dataDir, ['token', 'create', '--name', name, '--user', name, '--scopes', scopes, '--json']),
  );
  return z.object({ token: z.string(), info: TokenInfo }).parse(JSON.parse(made));
}

async function said(done: Promise<Done>): Promise<string> {
  const { code, out, err } = await done;
  if (code !== 0) throw new Error(`devlm ended with ${code}: ${err}`);
  return out;
}

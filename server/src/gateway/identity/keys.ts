import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as z from 'zod';

/** In the data folder, mode 0600. */
const keysFile = 'token-keys.json';
/** The size that RS256 asks for at least: https://www.rfc-editor.org/rfc/rfc7518#section-3.3 */
const modulusLength = 2048;

const KeysFile = z.object({
  /** The newest first: it signs; the others only check what they have signed. */
  keys: z
    .array(z.object({ kid: z.string().min(1).max(100), privateKey: z.string().max(10_000) }))
    .min(1)
    .max(20),
});

export interface SigningKeys {
  readonly current: { readonly kid: string; readonly privateKey: KeyObject };
  /** By `kid`. */
  readonly publicKeys: ReadonlyMap<string, KeyObject>;
}

/**
 * Reads the keys that sign tokens, and makes the first one where there is none.
 * @throws ProblemError `token_keys_damaged`
 */
export function openKeys(dataDir: string): SigningKeys {
  const path = join(dataDir, keysFile);
  const { keys } = readKeys(path) ?? writeKeys(path, []);
  const pairs = keys.map(({ kid, privateKey }) => ({ kid, privateKey: keyOf(path, privateKey) }));
  const [current] = pairs;
  if (!current) throw damaged(path);
  return { current, publicKeys: new Map(pairs.map(({ kid, privateKey }) => [kid, createPublicKey(privateKey)])) };
}

/** Makes a new key that signs from now on. What the older ones have signed stays good until it ends. */
export function rotateKeys(dataDir: string): void {
  const path = join(dataDir, keysFile);
  writeKeys(path, readKeys(path)?.keys ?? []);
}

type Keys = z.infer<typeof KeysFile>;

function readKeys(path: string): Keys | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw damaged(path);
  }
  try {
    return KeysFile.parse(JSON.parse(text));
  } catch {
    throw damaged(path);
  }
}

function writeKeys(path: string, older: Keys['keys']): Keys {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const file = { keys: [{ kid: randomUUID(), privateKey: pem }, ...older].slice(0, 20) };
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(file), { mode: 0o600 });
  renameSync(temporary, path);
  return file;
}

function keyOf(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw damaged(path);
  }
}

function damaged(path: string): ProblemError {
  return new ProblemError({
    code: 'token_keys_damaged',
    status: 500,
    title: 'The keys of tokens cannot be read',
    detail: `${path} is damaged. Put a copy of it back, or remove it: all tokens then have to be made again.`,
  });
}

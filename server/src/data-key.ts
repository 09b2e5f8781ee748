import { hkdfSync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ProblemError } from '@devlm/protocol/problem.ts';

/** Name of the key file in the data folder. It has mode 0600 and holds 256 random bits in base64. */
const keyFile = 'data.key';
const keyBytes = 32;

/**
 * Returns the key from which all other keys of this installation are derived: the configured key, else the one in the
 * data folder, which is created if there is none.
 * @param configured 32 bytes in base64; nodes that share a database need the same key
 * @throws ProblemError `config_invalid`, `data_key_damaged`
 */
export function readDataKey(dataDir: string, configured: string | undefined): Uint8Array {
  if (configured !== undefined) {
    const key = Buffer.from(configured, 'base64');
    if (key.length === keyBytes) return key;
    const detail = 'dataKey: expected 32 bytes in base64. Run "openssl rand -base64 32" to create a key.';
    throw new ProblemError({ code: 'config_invalid', status: 400, title: 'Invalid configuration', detail });
  }
  const path = join(dataDir, keyFile);
  try {
    // Fails with EEXIST if there is one already.
    writeFileSync(path, `${randomBytes(keyBytes).toString('base64')}\n`, { mode: 0o600, flag: 'wx', flush: true });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw damaged(path, error);
  }
  const key = Buffer.from(readFileSync(path, 'utf8').trim(), 'base64');
  if (key.length !== keyBytes) throw damaged(path);
  return key;
}

/** Derives a key for one purpose. Neither the original key nor the keys for other purposes can be computed from it. */
export function deriveKey(key: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, '', `devlm ${purpose}`, keyBytes));
}

function damaged(path: string, cause?: unknown): ProblemError {
  const detail = `Cannot read the data key because ${path} is damaged or unreadable. Stored secrets cannot be decrypted without it. Restore the file from a backup.`;
  return new ProblemError(
    { code: 'data_key_damaged', status: 500, title: 'Cannot read the data key', detail },
    { cause },
  );
}

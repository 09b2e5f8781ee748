import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as z from 'zod';
import type { TokenKey, TokenKeyStore } from '../../storage/ports/token-keys.ts';
import { tokenKeysDamaged } from '../../storage/problems.ts';

/** File in the data folder in which earlier versions kept the keys, not encrypted. */
const keysFile = 'token-keys.json';
/** Key size in bits, the minimum for RS256: https://www.rfc-editor.org/rfc/rfc7518#section-3.3 */
const modulusLength = 2048;

const KeysFile = z.object({
  /** Newest first. */
  keys: z
    .array(z.object({ kid: z.string().min(1).max(100), privateKey: z.string().max(10_000) }))
    .min(1)
    .max(20),
});

/** A parsed key pair. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** The keys that sign tokens, as last read from the store. */
export class TokenKeys {
  readonly #store: TokenKeyStore;
  readonly #file: string;
  /** Keys by `kid`, newest first. Null until they have been read. */
  #keys: ReadonlyMap<string, SigningKey> | null = null;
  /** Error of the last failed read. */
  #readError: unknown;
  #fileMigrated = false;
  /** Tail of the queue of operations. They run one at a time, so that an older read never overwrites a newer write. */
  #queueTail: Promise<unknown> = Promise.resolve();

  constructor(store: TokenKeyStore, dataDir: string) {
    this.#store = store;
    this.#file = join(dataDir, keysFile);
  }

  /** Reads the keys from the store, after migrating the file of an earlier version. @throws ProblemError `token_keys_damaged` */
  refresh(): Promise<void> {
    return this.#enqueue(async () => {
      try {
        await this.#read();
      } catch (error) {
        this.#readError = error;
        throw error;
      }
    });
  }

  /** Returns the key that verifies signatures of the key `kid`. @throws ProblemError `token_keys_damaged` */
  publicKey(kid: string): KeyObject | undefined {
    return this.#requireKeys().get(kid)?.publicKey;
  }

  /** Returns the signing key, and creates the first one if there is none. @throws ProblemError `token_keys_damaged` */
  current(): Promise<SigningKey> {
    return this.#enqueue(async () => {
      if (this.#requireKeys().size === 0) this.#set(await this.#store.add(await newKey(), null));
      return this.#newest();
    });
  }

  /**
   * Creates a new signing key. Tokens signed with older keys stay valid until they expire.
   * @param forget whether to remove all older keys, even unreadable ones, which invalidates every token
   * @throws ProblemError `token_keys_damaged`
   */
  rotate(forget: boolean): Promise<SigningKey> {
    return this.#enqueue(async () => {
      const key = await newKey();
      if (forget) {
        this.#set(await this.#store.startOver(key));
        rmSync(this.#file, { force: true });
      } else {
        await this.#read();
        const [newest] = this.#requireKeys().keys();
        // If another server was faster, its new key is used.
        this.#set(await this.#store.add(key, newest ?? null));
      }
      return this.#newest();
    });
  }

  async #read(): Promise<void> {
    await this.#migrateFile();
    this.#set(await this.#store.list());
  }

  /** Moves the keys of the file to the store. Removes the file last, so that no key is lost if the server is killed. */
  async #migrateFile(): Promise<void> {
    if (this.#fileMigrated) return;
    const keys = readKeysFile(this.#file);
    if (keys) {
      await this.#store.takeOver(keys);
      rmSync(this.#file, { force: true });
    }
    this.#fileMigrated = true;
  }

  #requireKeys(): ReadonlyMap<string, SigningKey> {
    if (!this.#keys) throw this.#readError;
    return this.#keys;
  }

  #newest(): SigningKey {
    const [newest] = this.#requireKeys().values();
    if (!newest) throw tokenKeysDamaged();
    return newest;
  }

  #set(stored: readonly TokenKey[]): void {
    const known = this.#keys;
    this.#keys = new Map(stored.map((key) => [key.kid, known?.get(key.kid) ?? toSigningKey(key)]));
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queueTail.then(work, work);
    this.#queueTail = done;
    return done;
  }
}

async function newKey(): Promise<TokenKey> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength });
  return { kid: randomUUID(), privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** @throws ProblemError `token_keys_damaged` */
function toSigningKey({ kid, privateKey: pem }: TokenKey): SigningKey {
  try {
    const privateKey = createPrivateKey(pem);
    return { kid, privateKey, publicKey: createPublicKey(privateKey) };
  } catch {
    // Without the cause, which might contain key material.
    throw tokenKeysDamaged();
  }
}

/** Returns the keys in the file; null if there is no file. @throws ProblemError `token_keys_damaged` */
function readKeysFile(path: string): TokenKey[] | null {
  try {
    const { keys } = KeysFile.parse(JSON.parse(readFileSync(path, 'utf8')));
    for (const key of keys) toSigningKey(key);
    return keys;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw new ProblemError({
      code: 'token_keys_damaged',
      status: 500,
      title: 'Cannot read the token keys',
      detail: `${path} is damaged. Restore it from a backup, or delete it. If you delete it, all tokens signed with its keys must be created again.`,
    });
  }
}

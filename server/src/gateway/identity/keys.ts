import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as z from 'zod';
import type { TokenKey, TokenKeyStore } from '../../storage/ports/token-keys.ts';
import { tokenKeysDamaged } from '../../storage/problems.ts';

/** Where earlier versions had the keys: in the data folder, not sealed. */
const keysFile = 'token-keys.json';
/** The size that RS256 asks for at least: https://www.rfc-editor.org/rfc/rfc7518#section-3.3 */
const modulusLength = 2048;

const KeysFile = z.object({
  /** The newest first. */
  keys: z
    .array(z.object({ kid: z.string().min(1).max(100), privateKey: z.string().max(10_000) }))
    .min(1)
    .max(20),
});

/** A key that is ready for use. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** The keys that sign tokens, as this server last read them from the store. */
export class TokenKeys {
  readonly #store: TokenKeyStore;
  readonly #file: string;
  /** The newest first, by `kid`; null: they could not be read yet. */
  #keys: ReadonlyMap<string, SigningKey> | null = null;
  /** Why they could not be read. */
  #problem: unknown;
  #fileIsGone = false;
  /** One after the other, so that what was read earlier never replaces what was written since. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: TokenKeyStore, dataDir: string) {
    this.#store = store;
    this.#file = join(dataDir, keysFile);
  }

  /** Reads the store, which first takes over the file of an earlier version. @throws ProblemError `token_keys_damaged` */
  refresh(): Promise<void> {
    return this.#inTurn(async () => {
      try {
        await this.#read();
      } catch (error) {
        this.#problem = error;
        throw error;
      }
    });
  }

  /** The key that checks what one has signed. @throws ProblemError `token_keys_damaged` */
  publicKey(kid: string): KeyObject | undefined {
    return this.#readable().get(kid)?.publicKey;
  }

  /** The key that signs; the first is made where there is none. @throws ProblemError `token_keys_damaged` */
  current(): Promise<SigningKey> {
    return this.#inTurn(async () => {
      if (this.#readable().size === 0) this.#set(await this.#store.add(await newKey(), null));
      return this.#newest();
    });
  }

  /**
   * Makes a new key that signs from now on. What the older ones have signed stays good until it ends.
   * @param forget then they are removed, also where they cannot be read, and every token is revoked
   * @throws ProblemError `token_keys_damaged`
   */
  rotate(forget: boolean): Promise<SigningKey> {
    return this.#inTurn(async () => {
      const key = await newKey();
      if (forget) {
        this.#set(await this.#store.startOver(key));
        rmSync(this.#file, { force: true });
      } else {
        await this.#read();
        const [newest] = this.#readable().keys();
        // Where another server is faster, its new key is as good.
        this.#set(await this.#store.add(key, newest ?? null));
      }
      return this.#newest();
    });
  }

  async #read(): Promise<void> {
    await this.#takeFileOver();
    this.#set(await this.#store.list());
  }

  /** It goes only when the store has what is in it, so that nothing is lost whenever the server is killed. */
  async #takeFileOver(): Promise<void> {
    if (this.#fileIsGone) return;
    const keys = readKeysFile(this.#file);
    if (keys) {
      await this.#store.takeOver(keys);
      rmSync(this.#file, { force: true });
    }
    this.#fileIsGone = true;
  }

  #readable(): ReadonlyMap<string, SigningKey> {
    if (!this.#keys) throw this.#problem;
    return this.#keys;
  }

  #newest(): SigningKey {
    const [newest] = this.#readable().values();
    if (!newest) throw tokenKeysDamaged();
    return newest;
  }

  #set(stored: readonly TokenKey[]): void {
    const known = this.#keys;
    this.#keys = new Map(stored.map((key) => [key.kid, known?.get(key.kid) ?? toSigningKey(key)]));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done;
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
    // Without the cause: it might show what was read.
    throw tokenKeysDamaged();
  }
}

/** Null: there is none. @throws ProblemError `token_keys_damaged` */
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
      title: 'The keys of tokens cannot be read',
      detail: `${path} is damaged. Put a copy of it back, or remove it: the tokens that it has signed then have to be made again.`,
    });
  }
}

import { join } from 'node:path';
import { deriveKey, readDataKey } from '../../server/src/data-key.ts';
import type { Store } from '../../server/src/storage/ports/store.ts';
import type { TokenKey } from '../../server/src/storage/ports/token-keys.ts';
import { openPostgres } from '../../server/src/storage/postgres/postgres.ts';
import { openSqlite } from '../../server/src/storage/sqlite/sqlite.ts';

/** Location of a server's store. */
export interface Place {
  readonly dataDir: string;
  /** Default: SQLite in the data folder. */
  readonly databaseUrl?: string | undefined;
  /** Default: the key in the data folder. */
  readonly dataKey?: string | undefined;
}

/** Opens the store of a server with its data key, beside the server, and runs a function on it. */
export async function withStoreOf<T>(place: Place, work: (store: Store) => Promise<T>): Promise<T> {
  const { dataDir, databaseUrl } = place;
  const key = deriveKey(readDataKey(dataDir, place.dataKey), 'store');
  const options = { version: 'test', key };
  const store = databaseUrl
    ? await openPostgres({ url: databaseUrl, ...options })
    : await openSqlite({ file: join(dataDir, 'devlm.db'), ...options });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Returns the token keys of a server, the newest first. */
export function tokenKeysOf(place: Place): Promise<TokenKey[]> {
  return withStoreOf(place, (store) => store.tokenKeys.list());
}

/** Returns the signing key, with which a test forges tokens as an attacker with all secrets could. */
export async function signingKeyOf(place: Place): Promise<TokenKey> {
  const [key] = await tokenKeysOf(place);
  if (!key) throw new Error('no key');
  return key;
}

/** A key that signs tokens. */
export interface TokenKey {
  /** Id of the key in the tokens that it has signed. */
  readonly kid: string;
  /** Private key in PKCS #8, as PEM. */
  readonly privateKey: string;
}

/**
 * The keys that sign tokens, always sealed. Every method is atomic across all servers that share the store and returns
 * the resulting keys, newest first: the newest signs, the others verify what they have signed. All methods except
 * `startOver` fail with `token_keys_damaged` if one of the keys cannot be opened, so that a server with another data
 * key adds no key that the others could not open.
 */
export interface TokenKeyStore {
  /** Returns all keys. */
  list(): Promise<TokenKey[]>;
  /**
   * Adds a key as the newest, unless another key was added after `after`. Removes the oldest keys beyond `maxTokenKeys`.
   * @param after `kid` of the newest key that the caller knows; null: there is none yet
   */
  add(key: TokenKey, after: string | null): Promise<TokenKey[]>;
  /** Adds the keys that are not stored yet, in their order, as older than the stored ones. */
  takeOver(keys: readonly TokenKey[]): Promise<TokenKey[]>;
  /** Removes all keys except this one, and revokes all tokens. */
  startOver(key: TokenKey): Promise<TokenKey[]>;
}

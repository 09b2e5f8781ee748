/** A key that signs tokens. */
export interface TokenKey {
  /** Names it in the tokens that it has signed. */
  readonly kid: string;
  /** PKCS #8, as PEM. */
  readonly privateKey: string;
}

/**
 * Of a store: the keys that sign tokens, always sealed. Every method is atomic over all servers of the store, and
 * answers the keys that there are then, the newest first: it signs, the others check what they have signed.
 * All but `startOver` are refused with `token_keys_damaged` where one of the keys cannot be opened: a server with
 * another data key adds nothing that the others could not open.
 */
export interface TokenKeyStore {
  list(): Promise<TokenKey[]>;
  /**
   * Makes a key the newest, unless another one has become that meanwhile. The oldest beyond `maxTokenKeys` is removed.
   * @param after `kid` of the newest; null: there is none yet
   */
  add(key: TokenKey, after: string | null): Promise<TokenKey[]>;
  /** Adds those that are not there, in their order, as older than those that are. */
  takeOver(keys: readonly TokenKey[]): Promise<TokenKey[]>;
  /** Removes all but this one, and revokes every token. */
  startOver(key: TokenKey): Promise<TokenKey[]>;
}

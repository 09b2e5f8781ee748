import type { TokenInfo } from '@devlm/protocol/tokens.ts';

/** The access tokens, without their signatures. Every method is atomic. */
export interface TokenStore {
  add(token: TokenInfo): Promise<void>;
  /** Returns the tokens that have not expired, newest first, revoked ones included. */
  list(): Promise<TokenInfo[]>;
  /** Revokes a token. Returns null if there is no such token; revoking again keeps the time of the first revocation. */
  revoke(id: string): Promise<TokenInfo | null>;
}

import { randomUUID } from 'node:crypto';
import type { NewToken, Scope, TokenInfo } from '@devlm/protocol/tokens.ts';
import { Scope as ScopeSchema } from '@devlm/protocol/tokens.ts';
import jwt from 'jsonwebtoken';
import * as z from 'zod';
import type { Store } from '../../storage/store.ts';
import { httpProblem } from '../problems.ts';
import type { SigningKeys } from './keys.ts';

/** Who sends a request, and what they may use. */
export interface Identity {
  /** On a person's own server always the same. */
  readonly user: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Null: the secret of the launch. */
  readonly tokenId: string | null;
}

/** Everybody on this machine's own server is one person. */
export const localUser = 'local';
export const everything: Identity = { user: localUser, scopes: new Set(ScopeSchema.options), tokenId: null };

const algorithm = 'RS256';
const issuer = 'devlm';
const audience = 'devlm';
/** Longer ones are not looked at. Ours have some 600. */
const tokenChars = 4096;
const maxTokens = 1000;
/** Seconds by which two clocks may differ. */
const clockTolerance = 30;

const Claims = z.object({
  sub: z.string().min(1).max(200),
  jti: z.string().min(1).max(100),
  scopes: z.array(ScopeSchema),
});

/**
 * Makes and checks tokens: JWTs, signed with RS256. What may be checked is a list: one that the store does not
 * know, or knows as revoked, is refused however well it is signed.
 */
export class Tokens {
  readonly #keys: () => SigningKeys;
  readonly #store: Store;
  readonly #known: Map<string, TokenInfo>;

  private constructor(keys: () => SigningKeys, store: Store, known: readonly TokenInfo[]) {
    this.#keys = keys;
    this.#store = store;
    this.#known = new Map(known.map((token) => [token.id, token]));
  }

  /** @param keys is asked when the first token is made or checked: most people never have one */
  static async open(keys: () => SigningKeys, store: Store): Promise<Tokens> {
    let opened: SigningKeys | undefined;
    return new Tokens(() => (opened ??= keys()), store, await store.tokens());
  }

  list(): TokenInfo[] {
    return [...this.#known.values()].filter(({ expiresAt }) => Date.parse(expiresAt) > Date.now());
  }

  /** @throws ProblemError `conflict` when there are too many */
  async create({ name, scopes, days }: NewToken): Promise<{ token: string; info: TokenInfo }> {
    if (this.list().length >= maxTokens)
      throw httpProblem(
        'conflict',
        `There are ${maxTokens} tokens already. Revoke some, and wait until they have ended.`,
      );
    const now = Math.floor(Date.now() / 1000);
    const expires = now + days * 86_400;
    const iso = (seconds: number) => new Date(seconds * 1000).toISOString();
    const own = [...new Set(scopes)];
    const info: TokenInfo = {
      id: randomUUID(),
      name,
      scopes: own,
      createdAt: iso(now),
      expiresAt: iso(expires),
      revokedAt: null,
    };
    const { kid, privateKey } = this.#keys().current;
    const token = jwt.sign({ scopes: own, iat: now, exp: expires }, privateKey, {
      algorithm,
      keyid: kid,
      issuer,
      audience,
      subject: localUser,
      jwtid: info.id,
    });
    await this.#store.addToken(info);
    this.#known.set(info.id, info);
    return { token, info };
  }

  /** @throws ProblemError `not_found` */
  async revoke(id: string): Promise<TokenInfo> {
    const info = await this.#store.revokeToken(id);
    if (!info) throw httpProblem('not_found', 'There is no such token.');
    this.#known.set(id, info);
    return info;
  }

  /** @throws ProblemError `unauthorized` */
  verify(token: string): Identity {
    if (token.length > tokenChars) throw refused();
    // Nothing of it is believed before its signature was checked; it only says with which of our keys.
    const key = this.#keys().publicKeys.get(kidOf(token) ?? '');
    if (!key) throw refused();
    let payload: unknown;
    try {
      payload = jwt.verify(token, key, { algorithms: [algorithm], issuer, audience, clockTolerance });
    } catch (error) {
      throw error instanceof jwt.TokenExpiredError ? httpProblem('unauthorized', 'The token has expired.') : refused();
    }
    const claims = Claims.safeParse(payload).data;
    const known = claims && this.#known.get(claims.jti);
    if (!claims || !known) throw refused();
    if (known.revokedAt !== null) throw httpProblem('unauthorized', 'The token was revoked.');
    return { user: claims.sub, scopes: new Set(claims.scopes), tokenId: claims.jti };
  }
}

function kidOf(token: string): string | undefined {
  try {
    return jwt.decode(token, { complete: true })?.header.kid;
  } catch {
    return undefined;
  }
}

function refused() {
  return httpProblem('unauthorized', 'The token is not one of this server, or was changed.');
}

import { hash, randomUUID } from 'node:crypto';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { NewToken, RotateKey, Scope, TokenInfo } from '@devlm/protocol/tokens.ts';
import { localUser, Scope as ScopeSchema } from '@devlm/protocol/tokens.ts';
import type { NewUser, Role, UserInfo } from '@devlm/protocol/users.ts';
import jwt from 'jsonwebtoken';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import * as z from 'zod';
import type { Store } from '../../storage/ports/store.ts';
import { httpProblem } from '../problems.ts';
import { TokenKeys } from './keys.ts';

/** Who sends a request, and what they may use. */
export interface Identity {
  /** Id. On a person's own server always the same. */
  readonly user: string;
  readonly role: Role;
  /** Without `admin` for who is none. */
  readonly scopes: ReadonlySet<Scope>;
  /** Null: the secret of the launch. */
  readonly tokenId: string | null;
}

/** Of who has the secret of the launch. */
export const everything: Identity = {
  user: localUser,
  role: 'admin',
  scopes: new Set(ScopeSchema.options),
  tokenId: null,
};

const algorithm = 'RS256';
const issuer = 'devlm';
const audience = 'devlm';
/** Longer ones are not looked at. Ours have some 600. */
const tokenChars = 4096;
const maxTokens = 1000;
const maxUsers = 10_000;
/** How often a store that servers share is asked what became of tokens, users and keys, milliseconds. */
const refreshMs = 2_000;
/** Who has not heard of revocations for so long believes no token any more, milliseconds. */
const staleMs = 30_000;
/** Seconds by which two clocks may differ. */
const clockTolerance = 30;
/** Tokens whose signature need not be checked again: that takes 60 microseconds, and all else of a call 115. */
const maxVerified = 1_000;

const Claims = z.object({
  sub: z.string().min(1).max(200),
  jti: z.string().min(1).max(100),
  /** Checked by the library; here that there is one. */
  exp: z.int(),
  scopes: z.array(ScopeSchema),
});
type Claims = z.infer<typeof Claims>;

/**
 * Makes and checks tokens: JWTs, signed with RS256. What may be checked is a list: one that the store does not
 * know, or knows as revoked, is refused however well it is signed.
 */
export class Tokens {
  readonly #keys: TokenKeys;
  readonly #store: Store;
  readonly #known = new Map<string, TokenInfo>();
  /** By id. */
  readonly #users = new Map<string, UserInfo>();
  /** Claims whose signature was found good, and with which key, by the SHA-256 of the token. */
  readonly #verified = new LRUCache<string, Claims & { kid: string }>({ max: maxVerified });
  /** When they were last read; null while nobody else can change them. */
  #freshAt: number | null = null;

  private constructor(keys: TokenKeys, store: Store) {
    this.#keys = keys;
    this.#store = store;
  }

  /**
   * Without keys that can be read all else works: what is wrong is said when a token is made or checked.
   * @param dataDir where an earlier version may have left its keys
   */
  static async open(store: Store, dataDir: string): Promise<Tokens> {
    const tokens = new Tokens(new TokenKeys(store.tokenKeys, dataDir), store);
    await tokens.#readLists();
    await tokens.#keys.refresh().catch(() => undefined);
    return tokens;
  }

  /**
   * Makes the first key where there is none: servers that share a store, but not its data key, then learn of it when
   * they start. A person's own server makes one with the first token, since most people never have one.
   * @throws ProblemError `token_keys_damaged`
   */
  async prepare(): Promise<void> {
    await this.#keys.current();
  }

  /** Hears of what other servers on the same store do, within seconds, until it is disposed of. */
  follow(logger: Logger): Disposable {
    if (this.#store.kind === 'sqlite') return { [Symbol.dispose]: () => undefined };
    this.#freshAt = performance.now();
    let busy = false;
    const timer = setInterval(async () => {
      if (busy) return;
      busy = true;
      const asked = performance.now();
      try {
        await this.#refresh();
        this.#freshAt = asked;
      } catch (error) {
        logger.warn({ err: error }, 'tokens could not be read again');
      } finally {
        busy = false;
      }
    }, refreshMs);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  users(): UserInfo[] {
    return [...this.#users.values()];
  }

  /** @throws ProblemError `conflict` where the name is taken, or there are too many */
  async addUser(user: NewUser): Promise<UserInfo> {
    if (this.#users.size >= maxUsers) throw httpProblem('conflict', `There are ${maxUsers} users already.`);
    const info = { ...user, id: randomUUID(), createdAt: new Date().toISOString(), disabledAt: null };
    await this.#store.users.add(info);
    this.#users.set(info.id, info);
    return info;
  }

  /** @throws ProblemError `not_found`, `conflict` */
  async disableUser(id: string): Promise<UserInfo> {
    if (id === localUser) throw httpProblem('conflict', 'This is the server itself: it cannot be disabled.');
    const info = await this.#store.users.disable(id);
    if (!info) throw httpProblem('not_found', 'There is no such user.');
    this.#users.set(id, info);
    return info;
  }

  list(): TokenInfo[] {
    return [...this.#known.values()].filter(({ expiresAt }) => Date.parse(expiresAt) > Date.now());
  }

  /** @throws ProblemError `conflict` when there are too many; `not_found` without the user */
  async create({ name, scopes, days, user = localUser }: NewToken): Promise<{ token: string; info: TokenInfo }> {
    if (this.list().length >= maxTokens)
      throw httpProblem(
        'conflict',
        `There are ${maxTokens} tokens already. Revoke some, and wait until they have ended.`,
      );
    await this.#refresh();
    const owner = this.users().find((one) => one.name === user);
    if (!owner || owner.disabledAt !== null) throw httpProblem('not_found', 'There is no such user, or not any more.');
    if (scopes.includes('admin') && owner.role !== 'admin')
      throw httpProblem('conflict', 'Only an admin can have a token for admin.');
    const now = Math.floor(Date.now() / 1000);
    const expires = now + days * 86_400;
    const iso = (seconds: number) => new Date(seconds * 1000).toISOString();
    const own = [...new Set(scopes)];
    const info: TokenInfo = {
      id: randomUUID(),
      userId: owner.id,
      name,
      scopes: own,
      createdAt: iso(now),
      expiresAt: iso(expires),
      revokedAt: null,
    };
    const { kid, privateKey } = await this.#keys.current();
    const token = jwt.sign({ scopes: own, iat: now, exp: expires }, privateKey, {
      algorithm,
      keyid: kid,
      issuer,
      audience,
      subject: owner.id,
      jwtid: info.id,
    });
    await this.#store.tokens.add(info);
    this.#known.set(info.id, info);
    return { token, info };
  }

  /** @throws ProblemError `not_found` */
  async revoke(id: string): Promise<TokenInfo> {
    const info = await this.#store.tokens.revoke(id);
    if (!info) throw httpProblem('not_found', 'There is no such token.');
    this.#known.set(id, info);
    return info;
  }

  /**
   * A new key signs from now on. Other servers of the store hear of it within seconds.
   * @returns its `kid`
   * @throws ProblemError `token_keys_damaged`, unless `forget`
   */
  async rotateKey({ forget }: RotateKey): Promise<{ kid: string }> {
    const { kid } = await this.#keys.rotate(forget);
    await this.#readLists();
    return { kid };
  }

  /** @throws ProblemError `unauthorized`, `identity_stale`, `token_keys_damaged` */
  verify(token: string): Identity {
    // Where nobody has made one, no key is made for the sake of somebody who guesses.
    if (token.length > tokenChars || this.#known.size === 0) throw refused();
    const claims = this.#claimsOf(token);
    if (Date.now() / 1000 >= claims.exp + clockTolerance) throw expired();
    const known = this.#known.get(claims.jti);
    if (!known) throw refused();
    if (known.revokedAt !== null) throw httpProblem('unauthorized', 'The token was revoked.');
    const user = this.#users.get(known.userId);
    if (!user || user.id !== claims.sub) throw refused();
    if (user.disabledAt !== null) throw httpProblem('unauthorized', 'This user was disabled.');
    if (this.#freshAt !== null && performance.now() - this.#freshAt > staleMs) throw stale();
    const scopes = claims.scopes.filter((scope) => scope !== 'admin' || user.role === 'admin');
    return { user: user.id, role: user.role, scopes: new Set(scopes), tokenId: claims.jti };
  }

  /** What is signed stays signed; what became of the token and its user is looked at for each request. */
  #claimsOf(token: string): Claims {
    const digest = hash('sha256', token, 'base64url');
    const verified = this.#verified.get(digest);
    // Nothing of it is believed before its signature was checked; it only says with which of our keys.
    const kid = verified?.kid ?? kidOf(token) ?? '';
    const key = this.#keys.publicKey(kid);
    if (!key) throw refused();
    if (verified) return verified;
    let payload: unknown;
    try {
      payload = jwt.verify(token, key, { algorithms: [algorithm], issuer, audience, clockTolerance });
    } catch (error) {
      throw error instanceof jwt.TokenExpiredError ? expired() : refused();
    }
    const claims = Claims.safeParse(payload).data;
    if (!claims) throw refused();
    this.#verified.set(digest, { ...claims, kid });
    return claims;
  }

  /** Keys last: what is revoked is heard of where they cannot be read, and a token that is known has its key. */
  async #refresh(): Promise<void> {
    await this.#readLists();
    await this.#keys.refresh();
  }

  /** What was revoked or disabled stays so, whenever the answer was on its way. */
  async #readLists(): Promise<void> {
    const [tokens, users] = await Promise.all([this.#store.tokens.list(), this.#store.users.list()]);
    for (const token of tokens)
      if ((this.#known.get(token.id)?.revokedAt ?? null) === null) this.#known.set(token.id, token);
    for (const user of users)
      if ((this.#users.get(user.id)?.disabledAt ?? null) === null) this.#users.set(user.id, user);
    // Later than it can still be asked for: then it has expired, and is not unknown.
    for (const [id, { expiresAt }] of this.#known)
      if (Date.parse(expiresAt) < Date.now() - 86_400_000) this.#known.delete(id);
  }
}

function kidOf(token: string): string | undefined {
  try {
    return jwt.decode(token, { complete: true })?.header.kid;
  } catch {
    return undefined;
  }
}

function expired() {
  return httpProblem('unauthorized', 'The token has expired.');
}

function refused() {
  return httpProblem('unauthorized', 'The token is not one of this server, or was changed.');
}

function stale(): ProblemError {
  const detail = 'The server cannot learn at the moment which tokens count. Try again soon.';
  const title = 'Tokens cannot be checked';
  return new ProblemError({ code: 'identity_stale', status: 503, title, detail }, { retryAfterMs: refreshMs });
}

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

/** The authenticated sender of a request, and what it may use. */
export interface Identity {
  /** User id. Always `local` on an embedded server. */
  readonly user: string;
  readonly role: Role;
  /** Scopes of the token. `admin` is left out if the user is not an admin. */
  readonly scopes: ReadonlySet<Scope>;
  /** Id of the token; null for the launch secret. */
  readonly tokenId: string | null;
}

/** Identity of a client that has the launch secret. */
export const everything: Identity = {
  user: localUser,
  role: 'admin',
  scopes: new Set(ScopeSchema.options),
  tokenId: null,
};

const algorithm = 'RS256';
const issuer = 'devlm';
const audience = 'devlm';
/** Maximum length of a token, in characters. This server's tokens are about 600 characters long. */
const maxTokenChars = 4096;
const maxTokens = 1000;
const maxUsers = 10_000;
/** Interval at which tokens, users and keys are read again from a shared store, in milliseconds. */
const refreshIntervalMs = 2_000;
/** Time without a successful read after which a server refuses all tokens, in milliseconds. */
const maxStalenessMs = 30_000;
/** Tolerated difference between two clocks, in seconds. */
const clockToleranceSeconds = 30;
/** Maximum number of cached signature checks. A check takes 60 µs, everything else in a call 115 µs. */
const maxVerified = 1_000;

const Claims = z.object({
  sub: z.string().min(1).max(200),
  jti: z.string().min(1).max(100),
  /** Expiry in seconds since the epoch. The library checks the time, this schema only that it is present. */
  exp: z.int(),
  scopes: z.array(ScopeSchema),
});
type Claims = z.infer<typeof Claims>;

/**
 * Creates and verifies tokens, which are JWTs signed with RS256. Only listed tokens are valid: one that the store does
 * not know, or knows as revoked, is refused even if its signature is valid.
 */
export class Tokens {
  readonly #keys: TokenKeys;
  readonly #store: Store;
  readonly #known = new Map<string, TokenInfo>();
  /** Users by id. */
  readonly #users = new Map<string, UserInfo>();
  /** Claims with a verified signature and the key that verified it, by the SHA-256 of the token. */
  readonly #verified = new LRUCache<string, Claims & { kid: string }>({ max: maxVerified });
  /** Time of the last successful read (`performance.now()`); null while no other server can change the store. */
  #freshAt: number | null = null;

  private constructor(keys: TokenKeys, store: Store) {
    this.#keys = keys;
    this.#store = store;
  }

  /**
   * Reads tokens, users and keys from the store. Unreadable keys are not an error here: creating or verifying a token
   * reports it.
   * @param dataDir where an earlier version may have left its keys
   */
  static async open(store: Store, dataDir: string): Promise<Tokens> {
    const tokens = new Tokens(new TokenKeys(store.tokenKeys, dataDir), store);
    await tokens.#readLists();
    await tokens.#keys.refresh().catch(() => undefined);
    return tokens;
  }

  /**
   * Creates the first key if there is none, so that servers that share a store but not its data key fail at startup. An
   * embedded server creates its key with the first token, because most users never create a token.
   * @throws ProblemError `token_keys_damaged`
   */
  async prepare(): Promise<void> {
    await this.#keys.current();
  }

  /** Polls the store for changes by other servers until disposed of. */
  follow(logger: Logger): Disposable {
    if (this.#store.kind === 'sqlite') return { [Symbol.dispose]: () => undefined };
    this.#freshAt = performance.now();
    let busy = false;
    const timer = setInterval(async () => {
      if (busy) return;
      busy = true;
      const startedAt = performance.now();
      try {
        await this.#refresh();
        this.#freshAt = startedAt;
      } catch (error) {
        logger.warn({ err: error }, 'cannot refresh tokens from the store');
      } finally {
        busy = false;
      }
    }, refreshIntervalMs);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  /** Returns all users, including disabled ones. */
  users(): UserInfo[] {
    return [...this.#users.values()];
  }

  /** Adds a user. @throws ProblemError `conflict` if the name is taken or there are too many users */
  async addUser(user: NewUser): Promise<UserInfo> {
    if (this.#users.size >= maxUsers)
      throw httpProblem('conflict', `The maximum of ${maxUsers} users has been reached.`);
    const info = { ...user, id: randomUUID(), createdAt: new Date().toISOString(), disabledAt: null };
    await this.#store.users.add(info);
    this.#users.set(info.id, info);
    return info;
  }

  /** Disables a user, whose tokens are then refused. @throws ProblemError `not_found`, `conflict` */
  async disableUser(id: string): Promise<UserInfo> {
    if (id === localUser)
      throw httpProblem('conflict', 'The user "local" is the server itself and cannot be disabled.');
    const info = await this.#store.users.disable(id);
    if (!info) throw httpProblem('not_found', 'The user does not exist.');
    this.#users.set(id, info);
    return info;
  }

  /** Returns the tokens that have not expired, including revoked ones. */
  list(): TokenInfo[] {
    return [...this.#known.values()].filter(({ expiresAt }) => Date.parse(expiresAt) > Date.now());
  }

  /** Creates a token. @throws ProblemError `conflict` if there are too many tokens; `not_found` if there is no such user */
  async create({ name, scopes, days, user = localUser }: NewToken): Promise<{ token: string; info: TokenInfo }> {
    if (this.list().length >= maxTokens)
      throw httpProblem(
        'conflict',
        `The maximum of ${maxTokens} tokens has been reached. Try again when some of them have expired.`,
      );
    await this.#refresh();
    const owner = this.users().find((one) => one.name === user);
    if (!owner || owner.disabledAt !== null) throw httpProblem('not_found', 'The user does not exist or is disabled.');
    if (scopes.includes('admin') && owner.role !== 'admin')
      throw httpProblem('conflict', 'Only a user with the role admin can have a token with the scope admin.');
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

  /** Revokes a token. @throws ProblemError `not_found` */
  async revoke(id: string): Promise<TokenInfo> {
    const info = await this.#store.tokens.revoke(id);
    if (!info) throw httpProblem('not_found', 'The token does not exist.');
    this.#known.set(id, info);
    return info;
  }

  /**
   * Creates a new signing key. Other servers on the same store read it within seconds.
   * @returns its `kid`
   * @throws ProblemError `token_keys_damaged`, unless `forget`
   */
  async rotateKey({ forget }: RotateKey): Promise<{ kid: string }> {
    const { kid } = await this.#keys.rotate(forget);
    await this.#readLists();
    return { kid };
  }

  /** Verifies a token and returns the identity. @throws ProblemError `unauthorized`, `identity_stale`, `token_keys_damaged` */
  verify(token: string): Identity {
    // Without any token there may be no key yet, and a guess must not cause one to be created.
    if (token.length > maxTokenChars || this.#known.size === 0) throw refused();
    const claims = this.#claimsOf(token);
    if (Date.now() / 1000 >= claims.exp + clockToleranceSeconds) throw expired();
    const known = this.#known.get(claims.jti);
    if (!known) throw refused();
    if (known.revokedAt !== null) throw httpProblem('unauthorized', 'The token was revoked.');
    const user = this.#users.get(known.userId);
    if (!user || user.id !== claims.sub) throw refused();
    if (user.disabledAt !== null) throw httpProblem('unauthorized', 'The user of this token was disabled.');
    if (this.#freshAt !== null && performance.now() - this.#freshAt > maxStalenessMs) throw stale();
    const scopes = claims.scopes.filter((scope) => scope !== 'admin' || user.role === 'admin');
    return { user: user.id, role: user.role, scopes: new Set(scopes), tokenId: claims.jti };
  }

  /** Returns the claims of a token. Signature checks are cached; the state of token and user is checked on each request. */
  #claimsOf(token: string): Claims {
    const digest = hash('sha256', token, 'base64url');
    const verified = this.#verified.get(digest);
    // The unverified `kid` only selects one of our keys. Nothing else is trusted before the signature is verified.
    const kid = verified?.kid ?? kidOf(token) ?? '';
    const key = this.#keys.publicKey(kid);
    if (!key) throw refused();
    if (verified) return verified;
    let payload: unknown;
    try {
      payload = jwt.verify(token, key, {
        algorithms: [algorithm],
        issuer,
        audience,
        clockTolerance: clockToleranceSeconds,
      });
    } catch (error) {
      throw error instanceof jwt.TokenExpiredError ? expired() : refused();
    }
    const claims = Claims.safeParse(payload).data;
    if (!claims) throw refused();
    this.#verified.set(digest, { ...claims, kid });
    return claims;
  }

  /**
   * Reads tokens, users and keys. Keys come last, so that revocations are read even if the keys are unreadable, and that
   * the key of each known token is known.
   */
  async #refresh(): Promise<void> {
    await this.#readLists();
    await this.#keys.refresh();
  }

  /** Reads tokens and users. An answer that is out of date does not undo a revocation. */
  async #readLists(): Promise<void> {
    const [tokens, users] = await Promise.all([this.#store.tokens.list(), this.#store.users.list()]);
    for (const token of tokens)
      if ((this.#known.get(token.id)?.revokedAt ?? null) === null) this.#known.set(token.id, token);
    for (const user of users)
      if ((this.#users.get(user.id)?.disabledAt ?? null) === null) this.#users.set(user.id, user);
    // Keep expired tokens for a day, so that they are refused as expired and not as unknown.
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
  return httpProblem('unauthorized', 'The token is not valid on this server.');
}

function stale(): ProblemError {
  const detail = 'The server cannot read the list of valid tokens. Try again in a moment.';
  const title = 'Cannot verify tokens';
  return new ProblemError({ code: 'identity_stale', status: 503, title, detail }, { retryAfterMs: refreshIntervalMs });
}

import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';

/** Tokens that an attacker may have, and the signing key, to test what a valid signature alone must not allow. */
export interface Forge {
  /** A valid token. */
  readonly good: string;
  /** A revoked token. */
  readonly revoked: string;
  readonly kid: string;
  readonly privateKey: KeyObject;
  /** Address of another server, from which no key may be fetched. */
  readonly foreignUrl: string;
}

const base64url = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
const rs256 = (head: unknown, body: unknown, key: KeyObject, digest = 'sha256') => {
  const text = `${base64url(head)}.${base64url(body)}`;
  return `${text}.${sign(digest, Buffer.from(text), key).toString('base64url')}`;
};
const hmac = (head: unknown, body: unknown, secret: string | Buffer, digest = 'sha256') => {
  const text = `${base64url(head)}.${base64url(body)}`;
  return `${text}.${createHmac(digest, secret).update(text).digest('base64url')}`;
};
const foreignKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

/** Invalid claims with a valid signature. */
const changedClaims: Record<string, object> = {
  'an expiry that is a text': { exp: '9999999999' },
  'an expiry below zero': { exp: -1 },
  'an expiry that is null': { exp: null },
  'a start that is a text': { nbf: 'now' },
  'two issuers': { iss: ['devlm', 'devil'] },
  'an issuer in capitals': { iss: 'DEVLM' },
  'no issuer': { iss: undefined },
  'several audiences, none ours': { aud: ['other', 'devlm.example'] },
  'no audience': { aud: undefined },
  'an audience that is an object': { aud: { devlm: true } },
  'a subject that is an object': { sub: { toString: 'local' } },
  'an endless subject': { sub: 'a'.repeat(1_000) },
  'an id that is a list': { jti: [randomUUID()] },
  'an id with a pattern in it': { jti: '%' },
  'an id with SQL': { jti: "' or 1=1 --" },
  'an id that is a property': { jti: '__proto__' },
  'scopes in capitals': { scopes: ['LLM'] },
  'scopes that are an object': { scopes: { 0: 'llm', length: 1 } },
  'no scopes': { scopes: undefined },
};

/** Headers that ask for another key or another algorithm. */
const changedHeaders: Record<string, (forge: Forge) => object> = {
  'a kid that is an address': ({ foreignUrl }) => ({ kid: `${foreignUrl}/key.pem` }),
  'a kid that is a file': () => ({ kid: 'file:///dev/null' }),
  'a kid that is a command': () => ({ kid: '|/bin/true' }),
  'a kid with NUL': ({ kid }) => ({ kid: `${kid}\0` }),
  'a kid that is the name of a method': () => ({ kid: 'constructor' }),
  'a kid that is an object': ({ kid }) => ({ kid: { toString: kid } }),
  'a kid of 2,000 characters': () => ({ kid: 'k'.repeat(2_000) }),
};

/** Forged, stolen or damaged tokens by name, other than those in `tokens.test.ts`. */
export const forgeries: readonly { name: string; forge: (known: Forge) => string }[] = [
  ...Object.entries(changedClaims).map(([name, change]) => ({
    name,
    forge: ({ good, kid, privateKey }: Forge) =>
      rs256({ alg: 'RS256', typ: 'JWT', kid }, { ...claimsOf(good), ...change }, privateKey),
  })),
  ...Object.entries(changedHeaders).map(([name, change]) => ({
    name,
    forge: (known: Forge) => rs256({ alg: 'RS256', ...change(known) }, claimsOf(known.good), known.privateKey),
  })),
  {
    name: 'a key to be fetched by jku',
    forge: ({ good, kid, foreignUrl }) =>
      rs256({ alg: 'RS256', kid, jku: `${foreignUrl}/jwks.json` }, claimsOf(good), foreignKey),
  },
  {
    name: 'a certificate to be fetched by x5u',
    forge: ({ good, kid, foreignUrl }) =>
      rs256({ alg: 'RS256', kid, x5u: `${foreignUrl}/cert.pem` }, claimsOf(good), foreignKey),
  },
  {
    name: 'an included key as x5c',
    forge: ({ good, kid }) => {
      const der = createPublicKey(foreignKey).export({ type: 'spki', format: 'der' }).toString('base64');
      return rs256({ alg: 'RS256', kid, x5c: [der] }, claimsOf(good), foreignKey);
    },
  },
  {
    name: 'an included key as jwk, without a kid',
    forge: ({ good }) =>
      rs256({ alg: 'RS256', jwk: createPublicKey(foreignKey).export({ format: 'jwk' }) }, claimsOf(good), foreignKey),
  },
  ...(['sha384', 'sha512'] as const).map((digest) => ({
    name: `the public key as a secret of ${digest}`,
    forge: ({ good, kid, privateKey }: Forge) =>
      hmac(
        { alg: digest.replace('sha', 'HS'), kid },
        claimsOf(good),
        createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }),
        digest,
      ),
  })),
  {
    name: 'the bytes of the public key as a secret',
    forge: ({ good, kid, privateKey }) =>
      hmac({ alg: 'HS256', kid }, claimsOf(good), createPublicKey(privateKey).export({ type: 'spki', format: 'der' })),
  },
  {
    name: 'the public key in PKCS #1 as a secret',
    forge: ({ good, kid, privateKey }) =>
      hmac({ alg: 'HS256', kid }, claimsOf(good), createPublicKey(privateKey).export({ type: 'pkcs1', format: 'pem' })),
  },
  {
    name: 'the public key as JSON as a secret',
    forge: ({ good, kid, privateKey }) =>
      hmac(
        { alg: 'HS256', kid },
        claimsOf(good),
        JSON.stringify(createPublicKey(privateKey).export({ format: 'jwk' })),
      ),
  },
  {
    name: 'RS256 in the header, but signed with an HMAC',
    forge: ({ good, kid, privateKey }) =>
      hmac({ alg: 'RS256', kid }, claimsOf(good), createPublicKey(privateKey).export({ type: 'spki', format: 'pem' })),
  },
  {
    name: 'RS384 with our key',
    forge: ({ good, kid, privateKey }) => rs256({ alg: 'RS384', kid }, claimsOf(good), privateKey, 'sha384'),
  },
  {
    name: 'RS1 with our key',
    forge: ({ good, kid, privateKey }) => rs256({ alg: 'RS1', kid }, claimsOf(good), privateKey, 'sha1'),
  },
  {
    name: 'an elliptic signature of zeros',
    forge: ({ good, kid }) =>
      `${base64url({ alg: 'ES256', kid })}.${good.split('.')[1]}.${Buffer.alloc(64).toString('base64url')}`,
  },
  {
    name: 'EdDSA with a key of its own',
    forge: ({ good, kid }) => {
      const text = `${base64url({ alg: 'EdDSA', kid })}.${good.split('.')[1]}`;
      const { privateKey } = generateKeyPairSync('ed25519');
      return `${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`;
    },
  },
  {
    name: 'a list of algorithms',
    forge: ({ good, kid, privateKey }) => rs256({ alg: ['RS256', 'none'], kid }, claimsOf(good), privateKey),
  },
  {
    name: 'a duplicate algorithm, without a signature',
    forge: ({ good, kid }) =>
      `${base64url(`{"alg":"RS256","kid":"${kid}","alg":"none"}`)}.${good.split('.')[1]}.${'A'.repeat(342)}`,
  },
  {
    name: 'duplicate claims with the signature of others',
    forge: ({ good }) => {
      const [head, body = '', signature] = good.split('.');
      const claims = Buffer.from(body, 'base64url').toString();
      return `${head}.${base64url(claims.replace('{', '{"scopes":["admin"],'))}.${signature}`;
    },
  },
  { name: 'the signature of another token', forge: ({ good, revoked }) => swapped(good, revoked) },
  { name: 'a signature of one byte', forge: ({ good }) => `${good.split('.').slice(0, 2).join('.')}.AA` },
  { name: 'a signature of 4,000 bytes', forge: ({ good }) => `${good}${'A'.repeat(3_000)}` },
  { name: 'no claims', forge: ({ kid, privateKey }) => rs256({ alg: 'RS256', kid }, '', privateKey) },
  { name: 'claims that are null', forge: ({ kid, privateKey }) => rs256({ alg: 'RS256', kid }, null, privateKey) },
  { name: 'claims that are a list', forge: ({ kid, privateKey }) => rs256({ alg: 'RS256', kid }, [{}], privateKey) },
  { name: 'claims that are a text', forge: ({ kid, privateKey }) => rs256({ alg: 'RS256', kid }, '"x"', privateKey) },
  {
    name: 'an expiry that overflows',
    forge: ({ good, kid, privateKey }) =>
      rs256(
        { alg: 'RS256', kid },
        JSON.stringify({ ...claimsOf(good), exp: 0 }).replace('"exp":0', '"exp":1e999'),
        privateKey,
      ),
  },
  {
    name: 'claims by __proto__',
    forge: ({ good, kid, privateKey }) =>
      rs256({ alg: 'RS256', kid }, `{"__proto__":${JSON.stringify(claimsOf(good))}}`, privateKey),
  },
  {
    name: 'a header by __proto__',
    forge: ({ good, kid, privateKey }) =>
      rs256(`{"__proto__":{"alg":"RS256","kid":"${kid}"}}`, claimsOf(good), privateKey),
  },
  { name: 'a header that is a list', forge: ({ good, privateKey }) => rs256(['RS256'], claimsOf(good), privateKey) },
  { name: 'a header that is null', forge: ({ good, privateKey }) => rs256(null, claimsOf(good), privateKey) },
  { name: 'five parts, as if encrypted', forge: ({ good }) => `${good}.AAAA.AAAA` },
  {
    name: 'a token inside a token',
    forge: ({ good, kid }) => `${base64url({ alg: 'none', kid, cty: 'JWT' })}.${base64url(good)}.x`,
  },
  { name: 'revoked', forge: ({ revoked }) => revoked },
  {
    name: 'a revoked token, signed again with a later expiry',
    forge: ({ revoked, kid, privateKey }) =>
      rs256({ alg: 'RS256', kid }, { ...claimsOf(revoked), exp: 9_999_999_999 }, privateKey),
  },
  {
    name: 'a revoked token with other unused bits at its end',
    forge: ({ revoked }) => `${revoked.slice(0, -1)}${spare(revoked.at(-1) ?? 'A')}`,
  },
  { name: 'a token with a line break', forge: ({ good }) => good.replace('.', '.\t') },
  { name: 'a token with a letter of another alphabet', forge: ({ good }) => good.replace('e', '\u0435') },
];

function swapped(one: string, other: string): string {
  return [...one.split('.').slice(0, 2), other.split('.')[2]].join('.');
}

/** Returns another base64url character that decodes to the same bytes at the end of a 256-byte value. */
function spare(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(character) ^ 1] ?? '';
}

import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

/** Credentials that Vertex accepts: a token, or tokens signed with the key of a service account. */
export interface GoogleKey {
  readonly projectId: string;
  readonly token?: string;
  readonly serviceAccount?: ServiceAccount;
}

/** A service account of Google Cloud. */
export interface ServiceAccount {
  /** Key file of the account, in Google's JSON format. */
  readonly json: string;
  readonly email: string;
  readonly publicKey: string;
}

/** Creates a service account with a new key. */
export function makeServiceAccount(): ServiceAccount {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const email = 'devlm@stand-in.iam.gserviceaccount.com';
  const key = {
    type: 'service_account',
    project_id: 'stand-in',
    private_key_id: 'key-1',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: email,
  };
  return {
    json: JSON.stringify(key, null, 2),
    email,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** Returns whether a bearer token is valid. */
export function isBearer(authorization: string | undefined, { token, serviceAccount }: GoogleKey): boolean {
  const [, bearer] = /^Bearer (\S+)$/.exec(authorization ?? '') ?? [];
  if (bearer === undefined) return false;
  if (bearer === token) return true;
  const [header = '', claims = '', signature = ''] = bearer.split('.');
  if (!serviceAccount || signature === '') return false;
  const key = createPublicKey(serviceAccount.publicKey);
  const signed = verify('RSA-SHA256', Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url'));
  const { iss, scope } = JSON.parse(Buffer.from(claims, 'base64url').toString());
  return signed && iss === serviceAccount.email && scope === 'https://www.googleapis.com/auth/cloud-platform';
}

/** Starts a metadata server as on a Google Cloud machine, which issues tokens. `host` is for GCE_METADATA_HOST. */
export async function startMetadata(token: string): Promise<AsyncDisposable & { readonly host: string }> {
  const server = createServer((request, response) => {
    response.setHeader('metadata-flavor', 'Google');
    const path = request.url ?? '';
    if (path.includes('/token')) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ access_token: token, expires_in: 3599, token_type: 'Bearer' }));
    } else response.end(path.includes('universe') ? 'googleapis.com' : 'stand-in');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the metadata server listens on no port');
  return {
    host: `127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

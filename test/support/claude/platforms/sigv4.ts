import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** An AWS access key, with the region where it is valid. */
export interface AwsKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');

/** Encodes a string by RFC 3986, including the characters that `encodeURIComponent` leaves unchanged. */
const encoded = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);

/**
 * Verifies the signature of a request (Signature Version 4). Returns what is wrong with it, or undefined.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export function signatureProblem(
  request: IncomingMessage,
  body: Buffer,
  key: AwsKey,
  service: 'bedrock' | 'bedrock-mantle',
): string | undefined {
  const { authorization = '' } = request.headers;
  const [, id, day, region, named, names = '', signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    ) ?? [];
  if (!day) return 'Missing Authentication Token';
  if (id !== key.accessKeyId) return 'The security token included in the request is invalid.';
  if (region !== key.region) return `Credential should be scoped to a valid region, not '${region}'.`;
  if (named !== service) return `Credential should be scoped to correct service: '${service}'.`;
  const time = String(request.headers['x-amz-date']);
  const url = new URL(request.url ?? '', 'http://stand-in');
  const canonical = [
    request.method,
    // The path in the signature is encoded once more than on the wire.
    url.pathname.split('/').map(encoded).join('/'),
    [...url.searchParams]
      .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
      .sort()
      .join('&'),
    ...names.split(';').map(
      (name) =>
        `${name}:${String(request.headers[name] ?? '')
          .trim()
          .replace(/ +/g, ' ')}`,
    ),
    '',
    names,
    sha256(body),
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  const signing = [region, service, 'aws4_request'].reduce(hmac, hmac(`AWS4${key.secretAccessKey}`, day));
  if (hmac(signing, text).toString('hex') === signature && names.split(';').includes('host')) return undefined;
  return `The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for this request should have been\n'${canonical}'`;
}

import { hash } from 'node:crypto';

const salt = 'stand-in for claude';
const mark = 'EqStandIn';

/** Signs thinking so that any stand-in can verify it when it is sent back, even after a restart. */
export class Signer {
  /** Of bodies that were passed through as they are: signatures this signer did not make. */
  readonly #foreign = new Set<string>();

  /** The signature of thinking as it is returned. */
  sign(thinking: string): string {
    return mark + hash('sha256', `${salt}\n${thinking}`, 'base64');
  }

  /** Takes everything in a raw body that is a signature or redacted thinking as good. */
  learn(raw: string): void {
    for (const [, value] of raw.matchAll(/"(?:signature|data)"\s*:\s*"([^"]+)"/g)) if (value) this.#foreign.add(value);
  }

  knows(thinking: string, signature: string): boolean {
    return signature === this.sign(thinking) || this.#foreign.has(signature);
  }

  knowsRedacted(data: string): boolean {
    return isRedacted(data) || this.#foreign.has(data);
  }
}

/** What redacted thinking looks like from outside; the words stay out of it. */
export function redact(thinking: string): string {
  return `${mark}R${hash('sha256', `${salt}\nredacted\n${thinking}`, 'base64')}`;
}

function isRedacted(data: string): boolean {
  return data.startsWith(`${mark}R`) && data.length === mark.length + 1 + 44;
}

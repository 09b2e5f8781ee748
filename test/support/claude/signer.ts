import { hash } from 'node:crypto';

const salt = 'stand-in for claude';
const mark = 'EqStandIn';

/** Signs thinking so that any stand-in can verify it when it is sent back, even after a restart. */
export class Signer {
  /** Signatures from raw bodies, which this signer did not create. */
  readonly #foreign = new Set<string>();

  /** Returns the signature of a thinking text. */
  sign(thinking: string): string {
    return mark + hash('sha256', `${salt}\n${thinking}`, 'base64');
  }

  /** Accepts all signatures and redacted thinking in a raw body from now on. */
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

/** Returns the encrypted form of redacted thinking, which does not reveal its text. */
export function redact(thinking: string): string {
  return `${mark}R${hash('sha256', `${salt}\nredacted\n${thinking}`, 'base64')}`;
}

function isRedacted(data: string): boolean {
  return data.startsWith(`${mark}R`) && data.length === mark.length + 1 + 44;
}

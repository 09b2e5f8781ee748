import { decode, encode } from './host.ts';

type Encoding = string;

/** Node's Buffer without the less common read and write methods. */
export class Buffer extends Uint8Array {
  static override from(value: unknown, second?: unknown, third?: unknown): Buffer {
    if (typeof value === 'string') return wrap(bytesOf(value, String(second ?? 'utf8')));
    if (value instanceof ArrayBuffer)
      return new Buffer(value, second as number | undefined, third as number | undefined);
    if (ArrayBuffer.isView(value)) {
      return wrap(Uint8Array.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)));
    }
    return wrap(new Uint8Array(value as number[]));
  }
  static alloc(size: number, fill?: unknown): Buffer {
    const made = new Buffer(size);
    if (fill !== undefined) made.fill(typeof fill === 'string' ? (encode(fill)[0] ?? 0) : (fill as number));
    return made;
  }
  static allocUnsafe(size: number): Buffer {
    return new Buffer(size);
  }
  static concat(list: readonly Uint8Array[], length = list.reduce((sum, item) => sum + item.length, 0)): Buffer {
    const whole = new Buffer(length);
    let at = 0;
    for (const item of list) {
      whole.set(item.subarray(0, Math.max(0, length - at)), at);
      at += item.length;
    }
    return whole;
  }
  static isBuffer(value: unknown): value is Buffer {
    return value instanceof Buffer;
  }
  static isEncoding(name: string): boolean {
    return /^(utf-?8|hex|base64(url)?|latin1|binary|ascii|utf-?16le|ucs-?2)$/i.test(name);
  }
  static byteLength(value: string | Uint8Array, encoding: Encoding = 'utf8'): number {
    return typeof value === 'string' ? bytesOf(value, encoding).length : value.byteLength;
  }
  static compare(a: Uint8Array, b: Uint8Array): number {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      const difference = (a[i] ?? 0) - (b[i] ?? 0);
      if (difference !== 0) return Math.sign(difference);
    }
    return Math.sign(a.length - b.length);
  }

  override toString(encoding: Encoding = 'utf8', start = 0, end = this.length): string {
    return textOf(this.subarray(start, end), encoding);
  }
  toJSON(): { type: string; data: number[] } {
    return { type: 'Buffer', data: Array.from(this) };
  }
  equals(other: Uint8Array): boolean {
    return Buffer.compare(this, other) === 0;
  }
  compare(other: Uint8Array): number {
    return Buffer.compare(this, other);
  }
  write(text: string, offset = 0): number {
    const data = encode(text).subarray(0, this.length - offset);
    this.set(data, offset);
    return data.length;
  }
  copy(target: Uint8Array, at = 0, start = 0, end = this.length): number {
    const piece = this.subarray(start, end).subarray(0, target.length - at);
    target.set(piece, at);
    return piece.length;
  }
  override slice(start?: number, end?: number): Buffer {
    return wrap(this.subarray(start, end));
  }
  override subarray(start?: number, end?: number): Buffer {
    return wrap(super.subarray(start, end));
  }
  override indexOf(value: unknown, from = 0): number {
    if (typeof value === 'number') return super.indexOf(value, from);
    const wanted = typeof value === 'string' ? encode(value) : (value as Uint8Array);
    for (let at = from; at <= this.length - wanted.length; at++) {
      if (wanted.every((byte, i) => this[at + i] === byte)) return at;
    }
    return -1;
  }
  override includes(value: unknown, from = 0): boolean {
    return this.indexOf(value, from) >= 0;
  }
  #view(): DataView {
    return new DataView(this.buffer, this.byteOffset, this.byteLength);
  }
  readUInt8(at = 0): number {
    return this.#view().getUint8(at);
  }
  readInt8(at = 0): number {
    return this.#view().getInt8(at);
  }
  readUInt16LE(at = 0): number {
    return this.#view().getUint16(at, true);
  }
  readUInt16BE(at = 0): number {
    return this.#view().getUint16(at);
  }
  readUInt32LE(at = 0): number {
    return this.#view().getUint32(at, true);
  }
  readUInt32BE(at = 0): number {
    return this.#view().getUint32(at);
  }
  readInt32LE(at = 0): number {
    return this.#view().getInt32(at, true);
  }
  readInt32BE(at = 0): number {
    return this.#view().getInt32(at);
  }
  readDoubleLE(at = 0): number {
    return this.#view().getFloat64(at, true);
  }
  writeUInt8(value: number, at = 0): number {
    this.#view().setUint8(at, value);
    return at + 1;
  }
  writeUInt16LE(value: number, at = 0): number {
    this.#view().setUint16(at, value, true);
    return at + 2;
  }
  writeUInt16BE(value: number, at = 0): number {
    this.#view().setUint16(at, value);
    return at + 2;
  }
  writeUInt32LE(value: number, at = 0): number {
    this.#view().setUint32(at, value, true);
    return at + 4;
  }
  writeUInt32BE(value: number, at = 0): number {
    this.#view().setUint32(at, value);
    return at + 4;
  }
  writeDoubleLE(value: number, at = 0): number {
    this.#view().setFloat64(at, value, true);
    return at + 8;
  }
}

/** Returns the same bytes as a Buffer. */
export function wrap(data: Uint8Array): Buffer {
  return new Buffer(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

export function btoa(text: string): string {
  return base64(Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
}
export function atob(text: string): string {
  return String.fromCharCode(...bytesOf(text, 'base64'));
}

function base64(data: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < data.length; at += 3) {
    const bits = ((data[at] ?? 0) << 16) | ((data[at + 1] ?? 0) << 8) | (data[at + 2] ?? 0);
    parts.push(
      (letters[bits >> 18] ?? '') +
        (letters[(bits >> 12) & 63] ?? '') +
        (at + 1 < data.length ? letters[(bits >> 6) & 63] : '=') +
        (at + 2 < data.length ? letters[bits & 63] : '='),
    );
  }
  return parts.join('');
}

function bytesOf(text: string, encoding: Encoding): Uint8Array {
  const name = encoding.toLowerCase();
  if (name === 'hex') return Uint8Array.from(text.match(/[0-9a-f]{2}/gi) ?? [], (pair) => Number.parseInt(pair, 16));
  if (name === 'latin1' || name === 'binary' || name === 'ascii') {
    return Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 255);
  }
  if (name.startsWith('base64')) {
    const clean = text
      .replaceAll('-', '+')
      .replaceAll('_', '/')
      .replace(/[^A-Za-z0-9+/]/g, '');
    const data = new Uint8Array(Math.floor((clean.length * 3) / 4));
    for (let at = 0, out = 0; at < clean.length; at += 4) {
      const bits = [0, 1, 2, 3].reduce((sum, i) => (sum << 6) | Math.max(0, letters.indexOf(clean[at + i] ?? 'A')), 0);
      for (const shift of [16, 8, 0]) if (out < data.length) data[out++] = (bits >> shift) & 255;
    }
    return data;
  }
  if (/^(utf-?16le|ucs-?2)$/.test(name)) {
    return new Uint8Array(Uint16Array.from({ length: text.length }, (_, i) => text.charCodeAt(i)).buffer);
  }
  return encode(text);
}

function textOf(data: Uint8Array, encoding: Encoding): string {
  const name = encoding.toLowerCase();
  if (name === 'hex') return Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (name === 'base64') return base64(data);
  if (name === 'base64url') return base64(data).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
  if (name === 'latin1' || name === 'binary' || name === 'ascii') {
    return Array.from(data, (byte) => String.fromCharCode(name === 'ascii' ? byte & 127 : byte)).join('');
  }
  return decode(data);
}
export default { Buffer, atob, btoa };

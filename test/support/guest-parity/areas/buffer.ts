import { areaOf } from '../parity.ts';

/** Programs about `buffer`. */
export const bufferArea = areaOf('buffer', {
  'from strings in each encoding': `
    for (const encoding of ['utf8', 'utf-8', 'hex', 'base64', 'base64url', 'latin1', 'binary', 'ascii', 'utf16le', 'ucs2'])
      console.log(encoding, Buffer.from('c3a9f09f9880', encoding).toString('hex'));`,
  'to strings in each encoding': `
    const bytes = Buffer.from([0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80, 0x41, 0xff]);
    for (const encoding of ['utf8', 'hex', 'base64', 'base64url', 'latin1', 'ascii', 'utf16le'])
      console.log(encoding, JSON.stringify(bytes.toString(encoding)));`,
  'inspect of a buffer': `
    console.log(Buffer.from('hello'));
    console.log([Buffer.alloc(60)]);
    console.log({ data: Buffer.from('') });`,
  'alloc and fill': `
    console.log(Buffer.alloc(4).toString('hex'), Buffer.alloc(5, 'ab').toString(), Buffer.alloc(3, 1).toString('hex'));
    console.log(Buffer.alloc(6).fill('xyz', 1, 5).toString('hex'), Buffer.alloc(4, 'aGk=', 'base64').toString());`,
  'concat and its length': `
    console.log(Buffer.concat([Buffer.from('a'), Buffer.from('bc')]).toString());
    console.log(Buffer.concat([Buffer.from('abc')], 2).toString(), Buffer.concat([], 2).toString('hex'));`,
  'slice shares memory': `
    const whole = Buffer.from('abcdef');
    const part = whole.slice(1, 3);
    part[0] = 0x58;
    console.log(whole.toString(), whole.subarray(-2).toString(), part instanceof Buffer, whole.slice(-3, -1).toString());`,
  'indexOf, lastIndexOf and includes': `
    const text = Buffer.from('banana');
    console.log(text.indexOf('an'), text.indexOf('an', 2), text.lastIndexOf('an'), text.indexOf(0x6e), text.includes('nan'));
    console.log(text.indexOf(Buffer.from('na')), text.indexOf('x'), text.indexOf('an', -2), text.indexOf(''));`,
  'compare and equals': `
    console.log(Buffer.compare(Buffer.from('a'), Buffer.from('b')), Buffer.from('ab').equals(Buffer.from('ab')));
    console.log([Buffer.from('b'), Buffer.from('a')].sort(Buffer.compare).map(String), Buffer.from('a').compare(Buffer.from('a')));`,
  'write at an offset': `
    const made = Buffer.alloc(8);
    console.log(made.write('héllo', 1), made.toString('hex'), made.write('abcdef', 6), made.write('ff00', 0, 'hex'), made.toString('hex'));`,
  'write with a length': `
    const made = Buffer.alloc(6);
    console.log(made.write('abcdef', 0, 2), made.write('xyz', 2, 3, 'latin1'), made.toString('latin1'));`,
  'integers of each width': `
    const made = Buffer.alloc(8);
    made.writeUInt16BE(0x0102, 0); made.writeInt16LE(-2, 2); made.writeInt32BE(-70000, 4);
    console.log(made.toString('hex'), made.readUInt16LE(0), made.readInt16LE(2), made.readInt32BE(4), made.readInt8(3), made.readUint8(0));
    made.writeUIntBE(0x010203, 0, 3); console.log(made.readUIntBE(0, 3), made.readIntLE(0, 6), made.readUIntLE(1, 4));`,
  'big integers': `
    const made = Buffer.alloc(16);
    made.writeBigInt64LE(-5n, 0); made.writeBigUInt64BE(2n ** 60n, 8);
    console.log(made.toString('hex'), made.readBigInt64LE(0), made.readBigUInt64BE(8));`,
  'floats and doubles': `
    const made = Buffer.alloc(12);
    made.writeFloatLE(1.5, 0); made.writeDoubleBE(Math.PI, 4);
    console.log(made.toString('hex'), made.readFloatLE(0), made.readDoubleBE(4));`,
  'byteLength and isEncoding': `
    console.log(Buffer.byteLength('€'), Buffer.byteLength('aGk=', 'base64'), Buffer.byteLength('ffff', 'hex'), Buffer.byteLength(new ArrayBuffer(3)));
    console.log(Buffer.isEncoding('UTF8'), Buffer.isEncoding('utf-16le'), Buffer.isEncoding('nope'), Buffer.isBuffer(new Uint8Array(1)));`,
  'toJSON and back': `
    const text = JSON.stringify(Buffer.from('hi'));
    console.log(text, Buffer.from(JSON.parse(text)).toString(), Buffer.from(JSON.parse(text).data).toString());`,
  'copy into another buffer': `
    const target = Buffer.alloc(5, '.');
    console.log(Buffer.from('abcdef').copy(target, 1, 2), target.toString(), Buffer.from('xy').copy(target, 4), target.toString());`,
  'swap bytes': `
    console.log(Buffer.from('01020304', 'hex').swap16().toString('hex'), Buffer.from('01020304', 'hex').swap32().toString('hex'));`,
  'iteration and spreading': `
    const text = Buffer.from('abc');
    console.log([...text], [...text.entries()], [...text.keys()].length, text.map((byte) => byte + 1).toString());`,
  'a view of an ArrayBuffer': `
    const memory = new ArrayBuffer(4);
    const view = Buffer.from(memory, 1, 2);
    view[0] = 7;
    console.log(new Uint8Array(memory), view.length, view.byteOffset, view.buffer === memory);`,
  'invalid UTF-8 becomes U+FFFD': `
    console.log(JSON.stringify(Buffer.from([0x61, 0xff, 0xe2, 0x82, 0x62]).toString()));`,
  'lone surrogates': `
    console.log(Buffer.from('\\ud83d').toString('hex'), Buffer.from('a\\udc00b').length);`,
  'zero bytes in strings': `
    console.log(Buffer.from('a\\0b').length, JSON.stringify(Buffer.from([97, 0, 98]).toString()), 'a\\0b'.length);`,
  'atob and btoa': `
    console.log(btoa('hello'), atob('aGVsbG8='), atob(' aGk '));
    try { btoa('€'); } catch (error) { console.log(error.name); }`,
  'errors of Buffer.from': `
    for (const value of [undefined, null, 5, true]) try { Buffer.from(value); } catch (error) { console.log(error.name, error.code, error.message); }`,
  'errors of Buffer.alloc': `
    for (const value of ['5', -1]) try { Buffer.alloc(value); } catch (error) { console.log(error.name, error.code, error.message); }`,
  'unknown encodings': `
    try { Buffer.from('a', 'nope'); } catch (error) { console.log(error.name, error.code, error.message); }
    try { Buffer.from('a').toString('nope'); } catch (error) { console.log(error.name, error.code, error.message); }`,
  'reads out of range': `
    try { Buffer.alloc(2).readUInt32LE(0); } catch (error) { console.log(error.name, error.code); }
    try { Buffer.alloc(2).writeUInt8(300, 0); } catch (error) { console.log(error.name, error.code); }`,
  'hex with odd or invalid digits': `
    console.log(Buffer.from('abc', 'hex'), Buffer.from('zz11', 'hex'), Buffer.from('11zz22', 'hex'));`,
  'base64 of the other alphabet': `
    console.log(Buffer.from('-_-_', 'base64').toString('hex'), Buffer.from('a', 'base64').length, Buffer.from('YW\\nJj', 'base64').toString());`,
  blobs: `
    const { Blob } = await import('node:buffer');
    console.log(await new Blob(['ab', Buffer.from('c')]).text(), new Blob(['abc']).size);`,
});

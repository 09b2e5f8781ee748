import { crc32 } from 'node:zlib';

/*
 * AWS's binary event streams: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream
 */

const preludeBytes = 8;
const crcBytes = 4;
/** Type code of a header whose value is a string with a two-byte length. */
const stringType = 7;

/** Returns a message whose headers are strings. */
export function eventStreamMessage(headers: Readonly<Record<string, string>>, payload: string): Buffer {
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => header(name, value)));
  const body = Buffer.from(payload);
  const length = preludeBytes + crcBytes + head.length + body.length + crcBytes;
  const message = Buffer.alloc(length);
  message.writeUInt32BE(length, 0);
  message.writeUInt32BE(head.length, 4);
  message.writeUInt32BE(crc32(message.subarray(0, preludeBytes)), preludeBytes);
  head.copy(message, preludeBytes + crcBytes);
  body.copy(message, preludeBytes + crcBytes + head.length);
  message.writeUInt32BE(crc32(message.subarray(0, length - crcBytes)), length - crcBytes);
  return message;
}

function header(name: string, value: string): Buffer {
  const text = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(text.length);
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([stringType]), length, text]);
}

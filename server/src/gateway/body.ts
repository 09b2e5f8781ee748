import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { ProblemError } from '@devlm/protocol/problem.ts';
import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import * as z from 'zod';
import { checkShape } from './json-shape.ts';
import { httpProblem } from './problems.ts';

const parser = (limit: number) =>
  express.json({
    limit,
    strict: false,
    inflate: false,
    type: () => true,
    verify: (_request: IncomingMessage, _response, body: Buffer) => {
      // The parser would silently replace invalid bytes with replacement characters.
      if (!isUtf8(body)) throw httpProblem('bad_encoding', 'The body is not valid UTF-8.');
      checkShape(body);
    },
  });

/** An error of Express's body parser. */
const BodyParserError = z.object({ type: z.string(), status: z.int() });

const readBody =
  (parse: RequestHandler): RequestHandler =>
  (request, response, next) => {
    const type = (request.headers['content-type'] ?? '').split(';');
    const charset = type.find((part) => /^\s*charset=/i.test(part));
    if (type[0]?.trim().toLowerCase() !== 'application/json' || (charset && !/=\s*"?utf-?8"?\s*$/i.test(charset)))
      throw httpProblem(
        'unsupported_media_type',
        'The media type of the body is not supported. Send application/json in UTF-8.',
      );
    parse(request, response, next);
  };

/** Returns handlers that read a JSON body strictly. @param limit maximum size of the body, in bytes */
export function readJson(limit: number): readonly (RequestHandler | ErrorRequestHandler)[] {
  const explain: ErrorRequestHandler = (error: unknown, _request, _response, next) => next(toBodyProblem(error, limit));
  return [readBody(parser(limit)), explain];
}

function toBodyProblem(error: unknown, limit: number): unknown {
  if (error instanceof ProblemError) return error;
  const known = BodyParserError.safeParse(error);
  switch (known.data?.type) {
    case 'entity.too.large':
      return httpProblem('body_too_large', `The body is larger than ${limit / 1024 / 1024} MB.`);
    case 'entity.parse.failed':
      return httpProblem('bad_json', 'The body is not valid JSON.');
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return httpProblem(
        'unsupported_media_type',
        'The encoding of the body is not supported. Send it uncompressed and in UTF-8.',
      );
    case 'request.aborted':
    case 'request.size.invalid':
      return httpProblem('bad_request', 'The body is shorter than its declared length.');
    default:
      return error;
  }
}

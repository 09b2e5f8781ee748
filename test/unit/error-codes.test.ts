import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCodes } from '@devlm/protocol/error-codes.ts';
import { ProblemError, ReceivedProblem } from '@devlm/protocol/problem.ts';
import { describe, expect, it } from 'vitest';
import { errorsDocument, errorsPath } from '../../scripts/error-codes.ts';

const root = join(import.meta.dirname, '..', '..');

/** Returns the texts of all sources but the registry. */
function sources(): string {
  const folders = ['server/src', 'extension/src', 'webview-ui/src', 'workspace-core/src'];
  return folders
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8')),
    )
    .join('\n');
}

describe('the registry of error codes', () => {
  it('docs/errors.md is generated from the registry of error codes (run `node scripts/error-codes.ts`)', () => {
    expect(readFileSync(errorsPath, 'utf8')).toBe(errorsDocument());
  });

  it('the registry of error codes is sorted, and has no unused code', () => {
    const codes = Object.keys(errorCodes);
    expect(codes).toEqual([...codes].sort());
    const text = sources();
    expect(codes.filter((code) => !new RegExp(`['"]${code}['"]|\\b${code}: \\{`).test(text))).toEqual([]);
  });

  it('a process can create only problems with a code of the registry, and receives any', () => {
    const words = { status: 400, title: 'x', detail: 'x' };
    // @ts-expect-error The code is not in the registry.
    expect(new ProblemError({ code: 'no_such_code', ...words }).problem.code).toBe('no_such_code');
    // Another process may be newer.
    expect(new ProblemError(ReceivedProblem.parse({ code: 'of_the_future', ...words })).problem.status).toBe(400);
  });
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCodes } from '../protocol/src/error-codes.ts';

/*
 * Generates docs/errors.md from the registry of error codes.
 */

/** Path of the generated document. */
export const errorsPath = join(import.meta.dirname, '..', 'docs', 'errors.md');

/** Returns the document about all error codes, in Markdown. */
export function errorsDocument(): string {
  const rows = Object.entries(errorCodes).map(
    ([code, { status, meaning, action }]) => `| \`${code}\` | ${status} | ${meaning} | ${action} |`,
  );
  return `# Error codes

<!-- Generated from protocol/src/error-codes.ts by \`node scripts/error-codes.ts\`. Do not edit. -->

Errors are problems as in RFC 9457 (\`application/problem+json\`). Their \`code\` is stable, for programs; their \`detail\` says
in a sentence what happened and what to do. The routes below \`/llm\` return the errors of the Messages API instead. The
status is the usual one: it is part of a problem even if no HTTP is involved.

| code | status | what happened | what to do |
| ---- | ------ | ------------- | ---------- |
${rows.join('\n')}
`;
}

if (import.meta.main) {
  await writeFile(errorsPath, errorsDocument());
  console.log(`${Object.keys(errorCodes).length} codes in docs/errors.md`);
}

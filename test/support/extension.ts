import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { version as sourceVersion } from '../../server/src/version.ts';

const root = join(import.meta.dirname, '..', '..');
const bundle = process.env['DEVLM_TEST_BUNDLE'];

/** File that the launcher starts: the sources, or the bundle in `DEVLM_TEST_BUNDLE`. */
export const serverBundle: string = bundle ?? join(root, 'server/src/main.ts');

/** Version that this server reports. */
export const serverVersion: string = bundle
  ? z.object({ version: z.string() }).parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))).version
  : sourceVersion;

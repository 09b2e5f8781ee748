import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { version as sourceVersion } from '../../server/src/version.ts';

const root = join(import.meta.dirname, '..', '..');
const bundle = process.env['DEVLM_TEST_BUNDLE'];

/** What the launcher starts: the sources, or the bundle that `DEVLM_TEST_BUNDLE` names. */
export const serverBundle: string = bundle ?? join(root, 'server/src/main.ts');

/** The version that it answers with. */
export const serverVersion: string = bundle
  ? z.object({ version: z.string() }).parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))).version
  : sourceVersion;

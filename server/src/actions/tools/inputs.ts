import * as z from 'zod';

/** A path as the model writes it, normalized to `/`. Whether it may be accessed is checked where it is used. */
export const PathInput = z
  .string()
  .min(1)
  .max(1024)
  .transform((path) => path.replaceAll('\\', '/').replace(/^(\.\/)+/, '') || '.')
  .describe('Path relative to the workspace, with / as separator.');

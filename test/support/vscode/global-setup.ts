import { build } from '../../../scripts/build.ts';
import { installEditor } from '../../../scripts/vscode-install.ts';

/** The editor tests run the bundles that are shipped. */
export default async function setup(): Promise<void> {
  // `npm test` has already built, and other tests may be reading the bundles.
  if (!process.env['DEVLM_BUILT']) await build();
  await installEditor();
}

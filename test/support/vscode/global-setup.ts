import { build } from '../../../scripts/build.ts';
import { installEditor } from '../../../scripts/vscode-install.ts';

/** The editor's tests run what ships: the bundles. */
export default async function setup(): Promise<void> {
  // `npm test` has built already; other tests may be reading the bundles by now.
  if (!process.env['DEVLM_BUILT']) await build();
  await installEditor();
}

import { build } from '../../../scripts/build.ts';
import { installEditor } from '../../../scripts/vscode-install.ts';

/** The editor's tests run what ships: the bundles. */
export default async function setup(): Promise<void> {
  await build();
  await installEditor();
}

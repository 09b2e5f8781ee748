import { artifactAttacks } from './artifacts.ts';
import type { Attack } from './attack.ts';
import { embeddedAttacks } from './embedded.ts';
import { kernelAttacks } from './kernel.ts';
import { networkAttacks } from './network.ts';
import { processAttacks } from './processes.ts';
import { spaceAttacks } from './space.ts';

/** The attack list. A new attack is one entry in the file of its kind. */
export const attackList: Readonly<Record<string, readonly Attack[]>> = {
  processes: processAttacks,
  space: spaceAttacks,
  kernel: kernelAttacks,
  network: networkAttacks,
  artifacts: artifactAttacks,
  embedded: embeddedAttacks,
};

import type { TurnState } from '@devlm/protocol/state.ts';
import { sha256Hex } from '../sha256.ts';

/** Returns the hashes of the file versions that the model has seen last in this conversation, by path. */
export function knownFiles(branch: readonly TurnState[]): Map<string, string> {
  const known = new Map<string, string>();
  for (const attachment of branch.flatMap((turn) => turn.attachments)) {
    // The whole file was attached, so the model has read it.
    if (attachment.kind === 'file') {
      known.set(attachment.path, attachment.hash ?? sha256Hex(attachment.text));
    }
  }
  for (const { told, steps } of branch) {
    // The user rejected or restored these files between two turns.
    for (const path of told?.paths ?? []) known.delete(path);
    for (const { details } of steps.flatMap((step) => Object.values(step.results))) {
      for (const { path, hash } of details?.reads ?? []) known.set(path, hash);
      for (const { path, after } of details?.changes ?? []) {
        if (after === null) known.delete(path);
        else known.set(path, after);
      }
    }
  }
  return known;
}

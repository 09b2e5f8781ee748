/* State of the whole program. */

let folder = '/sandbox';

/** Returns the working folder. */
export const cwd = (): string => folder;
/** Sets the working folder. */
export function setCwd(path: string): void {
  folder = path;
}

/* What is one for the whole program. */

let folder = '/sandbox';

export const cwd = (): string => folder;
export function setCwd(path: string): void {
  folder = path;
}

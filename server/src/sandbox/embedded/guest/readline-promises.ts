import { promises } from './readline.ts';

/* `node:readline/promises`. */

export const { createInterface } = promises;
export default promises;

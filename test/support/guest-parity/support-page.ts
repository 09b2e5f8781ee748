import { parityAreas } from './areas.ts';
import { differences } from './differences.ts';
import { type ParityProgram, programsOf } from './parity.ts';

/** Prints the names that each of Node's modules exports, as JSON. It is for Node. */
export const exportsProgram: ParityProgram = {
  name: 'exports',
  source: `import { builtinModules, createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const modules = builtinModules.map((name) => name.replace(/^node:/, '')).filter((name) => !name.startsWith('_'));
const exported = (name) => Object.keys(Object(require('node:' + name))).filter((key) => !key.startsWith('_'));
console.log(JSON.stringify(Object.fromEntries(modules.sort().map((name) => [name, exported(name).sort()]))));`,
};

/** Returns the program that prints which of these names each module of the library lacks, as JSON. It is for the guest. */
export const missingProgram = (exported: string): ParityProgram => ({
  name: 'missing',
  source: `import { builtinModules, createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const modules = Object.entries(JSON.parse(${JSON.stringify(exported)})).filter(([name]) => builtinModules.includes(name));
const missing = (name, keys) => keys.filter((key) => !(key in Object(require('node:' + name))));
console.log(JSON.stringify(Object.fromEntries(modules.map(([name, keys]) => [name, missing(name, keys)]))));`,
});

/**
 * Returns docs/embedded-javascript.md.
 * @param missing names that each module of the library lacks
 */
export function supportPage(missing: Readonly<Record<string, readonly string[]>>): string {
  const modules = Object.entries(missing).map(([name, keys]) => {
    const names = keys.map((key) => `\`${key}\``).join(', ');
    return `| \`${name}\` | ${names === '' ? 'everything' : `everything but ${names}`} |`;
  });
  const areas = parityAreas.map((area) => {
    const count = programsOf(area).length;
    const different = differences.filter((row) => row.area === area.area).length;
    return `| ${area.area} | ${count} | ${count - different} |`;
  });
  const known = differences.map(({ area, name, reason }) => `| ${area} | ${name} | ${reason} |`);
  return `# JavaScript in the embedded sandbox

Without Docker, JavaScript and TypeScript run in QuickJS, with a library that stands in for Node's modules
(\`server/src/sandbox/embedded/guest\`). This page says what a program can expect of it.
\`test/contract/sandbox-guest-parity.test.ts\` writes and checks it: it runs the same programs on the library and on Node and
compares what they print and how they end. To update the page, run it with \`-u\`.

## Modules

Every other module of Node can be imported, but its functions throw \`ERR_ACCESS_DENIED\`.

| module | has |
| --- | --- |
${modules.join('\n')}

## Compared programs

| area | programs | with the same outcome as on Node |
| --- | --- | --- |
${areas.join('\n')}

## Known differences

| area | program | what differs |
| --- | --- | --- |
${known.join('\n')}
`;
}

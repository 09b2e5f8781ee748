import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { letters, secretTexts } from '../unit/guards/secrets-data.ts';

/*
 * Credentials that a test plants in many places, and the search for them afterwards.
 */

/** Ways in which credentials enter a conversation. The kinds of credentials are distributed over them. */
const ways = [
  ...['message', 'attachment', 'file', 'search', 'command', 'failure', 'program', 'lent', 'toolError', 'mcp', 'page'],
  ...['rules', 'answer', 'title'],
] as const;
type Way = (typeof ways)[number];
/** The planted credentials, each with the text that contains it and the way in which it enters. */
export const planted = secretTexts.map(([name, text, secret], i) => ({
  name,
  text,
  secret,
  way: ways[i % ways.length] ?? 'message',
}));
/** Returns all texts that enter in one way. */
export const textOf = (way: Way) =>
  planted
    .filter((one) => one.way === way)
    .map(({ text }) => text)
    .join('\n');
/** Values that do not look like credentials: only their names in `.env` reveal them. */
export const env = {
  APP_TOKEN: letters(24, 'abcdefghijkmnopqrstuvwxyz', 91),
  ADMIN_PASSWORD: 'correct horse, battery',
  UNREAD_SECRET: letters(20, 'ABCDEFGHJKMNPQRSTUVWXYZ', 92),
};
/** All lines that must not be found anywhere. */
const wanted = [
  ...planted.flatMap(({ name, secret }) =>
    secret
      .split('\n')
      .filter((line) => !line.startsWith('-----'))
      .map((line) => ({ name, line })),
  ),
  ...Object.entries(env).map(([name, line]) => ({ name, line })),
];
/** Text that is planted next to the credentials: if it is not found, the search proves nothing. */
export const canary = 'the-canary-that-has-to-be-found';

/** Returns the places in which planted credentials were stored, logged or sent. */
export function leaksIn(dataDir: string, requests: readonly { path: string; body: unknown }[], stderr: string) {
  const files = readdirSync(dataDir, { recursive: true, encoding: 'utf8' })
    .map((name) => join(dataDir, name))
    .filter((path) => statSync(path).isFile());
  const places = [
    ...files.map((path) => ({ where: path, text: readFileSync(path, 'latin1') })),
    ...requests.map(({ path, body }, i) => ({ where: `request ${i} ${path}`, text: JSON.stringify(body) })),
    { where: 'stderr', text: stderr },
  ];
  const found = wanted.flatMap(({ name, line }) => {
    const forms = [line, JSON.stringify(line).slice(1, -1), Buffer.from(line).toString('base64').slice(0, -4)];
    return places
      .filter(({ text }) => forms.some((form) => text.includes(form)))
      .map(({ where }) => `${name} in ${where}`);
  });
  return { found, places };
}

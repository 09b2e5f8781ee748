import { PermissionVerdict, type Rule, type Rules } from '@devlm/protocol/permissions.ts';
import { wildcard } from '../../workspace/wildcard.ts';
import { escapeOption, onlyReads, programName } from './programs.ts';
import { protectedBecause } from './protected.ts';
import type { ShellAnalysis, ShellCommand } from './shell.ts';

/** An action that a tool is about to take, described by the tool from its parsed input and never by the model. */
export interface Action {
  readonly tool: string;
  /**
   * `none` touches nothing (a question, a plan), `run` runs a command or program, `fetch` uses the network, and
   * `external` is a third-party tool whose effect is unknown.
   */
  readonly effect: 'none' | 'read' | 'write' | 'remove' | 'run' | 'fetch' | 'external';
  /** Resolved paths, relative to the workspace and with `/`; null for a path outside the workspace. */
  readonly paths?: readonly (string | null)[];
  readonly command?: ShellAnalysis;
  /** Host names, in lower case, without a port. */
  readonly hosts?: readonly string[];
  /** Whether it runs where it can reach neither the network nor the user's files. */
  readonly isolated?: boolean;
}

/** The state of trust of a conversation: the untrusted text in it, and what the user has agreed to. */
export interface Trust {
  /** Sources of untrusted text in the conversation, such as `example.org` or `the MCP server "x"`. */
  readonly taints: readonly string[];
  /** Hosts that the user has named or agreed to in this conversation. */
  readonly knownHosts: ReadonlySet<string>;
  /** Files that the user has allowed DevLM to change in this conversation. */
  readonly knownPaths: ReadonlySet<string>;
}

/** The state of the conversation and the window that a decision depends on. */
export interface PolicyState extends Trust {
  /** Whether the user has not trusted the workspace. */
  readonly restricted: boolean;
}

/** The decision on one part of an action. */
export interface DecidedPart {
  /** The path, command or host; the tool's name if the action has no parts. */
  readonly what: string;
  readonly verdict: PermissionVerdict;
  readonly reason: string;
  /** What the verdict is based on. No rule can loosen `hard` and `taint`. */
  readonly by: 'hard' | 'taint' | 'user' | 'workspace' | 'default';
}

/** The decision on an action: the strictest verdict of its parts. */
export interface PolicyDecision {
  readonly verdict: PermissionVerdict;
  /** Explanation: for the model if the verdict is `deny`, for the user otherwise. */
  readonly reason: string;
  readonly parts: readonly DecidedPart[];
}

interface ActionPart {
  readonly what: string;
  readonly path?: string;
  readonly command?: ShellCommand;
  readonly host?: string;
  readonly standard: DecidedPart;
}

const verdictOrder: readonly PermissionVerdict[] = PermissionVerdict.options;
const strictest = (parts: readonly DecidedPart[]) =>
  parts.reduce((worst, part) =>
    verdictOrder.indexOf(part.verdict) > verdictOrder.indexOf(worst.verdict) ? part : worst,
  );

/** Decides an action. The workspace's rules can only make it stricter: their `allow` rules are ignored. */
export function decide(action: Action, rules: { user: Rules; workspace: Rules }, state: PolicyState): PolicyDecision {
  const parts = partsOf(action, state).flatMap((part) => {
    const ruled = [part.standard, ...matchingRules(part, action, rules)];
    // An `allow` of the user's rules replaces the default. Any stricter verdict still wins.
    const allowed = ruled.find((rule) => rule.verdict === 'allow' && rule.by === 'user');
    const loosened = allowed && part.standard.by === 'default' ? ruled.filter((rule) => rule !== part.standard) : ruled;
    const decided = strictest(loosened);
    return [decided, ...taintQuestions(part, decided, action, state)];
  });
  const { verdict, reason } = strictest(parts);
  return { verdict, reason, parts };
}

function partsOf(action: Action, state: PolicyState): ActionPart[] {
  const { effect, tool } = action;
  if (state.restricted && effect !== 'none' && effect !== 'read') {
    const reason = 'The user has not trusted this workspace, so DevLM can only read it.';
    return [{ what: tool, standard: { what: tool, verdict: 'deny', reason, by: 'hard' } }];
  }
  const parts: ActionPart[] = [];
  for (const path of action.paths ?? []) parts.push(pathPart(path, effect === 'read' ? 'read' : 'change'));
  if (action.command) parts.push(...commandParts(action.command));
  for (const name of action.hosts ?? []) {
    const host = name.toLowerCase();
    const standard: DecidedPart = state.knownHosts.has(host)
      ? { what: host, verdict: 'allow', reason: `You have named or allowed ${host} before.`, by: 'default' }
      : ask(host, `It would connect to ${host}.`, 'default');
    parts.push({ what: host, host, standard });
  }
  if (parts.length > 0) return parts;
  if (effect === 'none') {
    return [
      { what: tool, standard: { what: tool, verdict: 'allow', reason: 'It does not change anything.', by: 'default' } },
    ];
  }
  // A read that names no file applies to the workspace.
  if (effect === 'read') {
    const reason = 'It only reads the workspace.';
    return [{ what: tool, standard: { what: tool, verdict: 'allow', reason, by: 'default' } }];
  }
  return [{ what: tool, standard: ask(tool, `No rule allows "${tool}".`, 'default') }];
}

const ask = (what: string, reason: string, by: DecidedPart['by']): DecidedPart => ({
  what,
  verdict: 'ask',
  reason,
  by,
});

function pathPart(path: string | null, use: 'read' | 'change'): ActionPart {
  const resolved = path === null ? null : insideWorkspace(path);
  if (resolved === null) {
    const what = path ?? 'a file outside the workspace';
    const standard = ask(what, `It would ${use} a file outside the workspace.`, 'hard');
    return { what, standard };
  }
  const because = use === 'change' ? protectedBecause(resolved) : null;
  if (because !== null) {
    const standard = ask(resolved, `DevLM always asks before it changes ${resolved}, because ${because}.`, 'hard');
    return { what: resolved, path: resolved, standard };
  }
  const standard: DecidedPart =
    use === 'read'
      ? { what: resolved, verdict: 'allow', reason: `${resolved} is in the workspace.`, by: 'default' }
      : ask(resolved, `It would change ${resolved}.`, 'default');
  return { what: resolved, path: resolved, standard };
}

function commandParts(analysis: ShellAnalysis): ActionPart[] {
  const parts: ActionPart[] = analysis.unknown.map((clause) => {
    const what = analysis.source;
    return { what, standard: ask(what, `DevLM cannot tell in advance ${clause}.`, 'hard') };
  });
  for (const command of analysis.commands) {
    const hardReason = hardReasonOf(command);
    const standard = hardReason
      ? ask(command.text, hardReason, 'hard')
      : command.transparent
        ? ({ what: command.text, verdict: 'allow', reason: 'It only starts another command.', by: 'default' } as const)
        : ask(command.text, `No rule allows "${command.text}".`, 'default');
    parts.push({ what: command.text, command, standard });
  }
  for (const { target, writes } of analysis.redirects) {
    if (target === '/dev/null' || target === null) continue;
    parts.push(pathPart(target, writes ? 'change' : 'read'));
  }
  if (parts.length === 0) {
    const what = analysis.source;
    parts.push({ what, standard: ask(what, 'DevLM found no command in it that it can check.', 'hard') });
  }
  return parts;
}

/**
 * Returns why no rule can allow a command: unknown words, paths outside the project, protected files. Null: no reason.
 */
function hardReasonOf({ argv, text }: ShellCommand): string | null {
  if (argv.includes(null)) return `DevLM cannot tell in advance what some words of "${text}" expand to.`;
  const option = escapeOption(argv);
  if (option !== null)
    return `The option "${option}" can make "${programName(argv[0] ?? '')}" do more than it appears to.`;
  // Entering a folder reads nothing, but later commands run there.
  const reads = onlyReads(argv) && argv[0] !== 'cd';
  for (const word of argv.slice(1)) {
    for (const path of pathsIn(word ?? '')) {
      const inside = insideWorkspace(path);
      if (inside === null) return `"${path}" is outside the workspace.`;
      const because = reads || inside === '' ? null : protectedBecause(inside);
      if (because !== null) return `DevLM always asks before a command uses "${path}", because ${because}.`;
    }
  }
  return null;
}

/**
 * Returns the paths that a word of a command may contain: the word itself, and what follows `=`, `:`, `,`, `@` or a
 * short option.
 */
function pathsIn(word: string): string[] {
  if (/^https?:\/\/[^/]/i.test(word)) return [];
  const found = [word, ...word.split(/[=:,@]/).slice(1)];
  const short = /^-[A-Za-z](.+)$/.exec(word)?.[1];
  return (short ? [...found, short] : found).filter((part) => part !== '' && part !== '-');
}

/** Returns the paths outside the workspace that the words of a command name and that may be files. */
export function pathsOutside(argv: ShellCommand['argv']): string[] {
  const named = argv.slice(1).flatMap((word) => (word === null ? [] : pathsIn(word)));
  return named.filter(
    (path) => path !== '/dev/null' && /^([/~]|[A-Za-z]:[\\/]|\.\.|file:)/.test(path) && insideWorkspace(path) === null,
  );
}

/** Returns a path without `.` and `..`, or null if it leads outside or cannot be judged. */
function insideWorkspace(path: string): string | null {
  if (/^[\\/~]|^[A-Za-z]:[\\/]|^file:|\0/i.test(path)) return null;
  const segments: string[] = [];
  for (const segment of path.split(/[\\/]+/)) {
    // A pattern may match `..` too.
    if (segment === '..' || /^\.[*?[]/.test(segment)) {
      if (segments.pop() === undefined) return null;
    } else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return segments.join('/');
}

function matchingRules(part: ActionPart, action: Action, rules: { user: Rules; workspace: Rules }): DecidedPart[] {
  const from = (list: Rules, by: 'user' | 'workspace') =>
    list
      .filter((rule) => (by === 'user' || rule.verdict !== 'allow') && ruleApplies(rule, part, action))
      .map((rule): DecidedPart => {
        const reason = `${settingsOf(by, rule.verdict)} ${rule.verdict === 'ask' ? 'ask before' : rule.verdict} ${describe(rule)}.`;
        return { what: part.what, verdict: rule.verdict, reason, by };
      });
  return [...from(rules.user, 'user'), ...from(rules.workspace, 'workspace')];
}

function ruleApplies(rule: Rule, part: ActionPart, action: Action): boolean {
  const loosens = rule.verdict === 'allow';
  if (!wildcard(rule.tool, false).test(action.tool)) return false;
  if (rule.path !== undefined && (part.path === undefined || !wildcard(rule.path, !loosens).test(part.path)))
    return false;
  if (rule.host !== undefined && (part.host === undefined || !hostMatches(rule.host, part.host))) return false;
  if (rule.command === undefined) return true;
  const words = rule.command.split(/\s+/);
  if (part.command === undefined || (rule.exact && part.command.argv.length !== words.length)) return false;
  return startsWithWords(part.command, words, loosens);
}

/** Compares word by word. Only a rule that restricts also matches a program that is given by its path. */
function startsWithWords({ argv }: ShellCommand, words: readonly string[], loosens: boolean): boolean {
  return words.every((word, index) => {
    const arg = argv[index];
    if (typeof arg !== 'string') return false;
    return arg === word || (!loosens && index === 0 && programName(arg) === programName(word));
  });
}

function hostMatches(pattern: string, host: string): boolean {
  const wanted = pattern.toLowerCase();
  return wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) : host === wanted;
}

/** Returns the subject of a reason. Only the model reads the reason of a denial; the user reads all others. */
function settingsOf(by: 'user' | 'workspace', verdict: PermissionVerdict): string {
  if (by === 'workspace') return "The workspace's settings";
  return verdict === 'deny' ? "The user's settings" : 'Your settings';
}

function describe({ tool, path, command, host }: Rule): string {
  const detail = command ?? path ?? host;
  return detail === undefined ? `"${tool}"` : `"${tool}" with "${detail}"`;
}

/**
 * Requires a question if untrusted text may have caused an action that could leak or destroy something, whatever the
 * rules say.
 */
function taintQuestions(part: ActionPart, decided: DecidedPart, action: Action, state: PolicyState): DecidedPart[] {
  const [source] = state.taints;
  if (source === undefined || decided.verdict !== 'allow' || action.isolated) return [];
  const risk = riskOf(part, action, state);
  if (risk === null) return [];
  const more = state.taints.length > 1 ? ` and ${state.taints.length - 1} more` : '';
  const reason = `The conversation contains text from ${source}${more}, which may have caused this action, and ${risk}.`;
  return [ask(part.what, reason, 'taint')];
}

function riskOf(part: ActionPart, action: Action, state: PolicyState): string | null {
  if (part.command) {
    return onlyReads(part.command.argv) || part.command.transparent ? null : 'this command could send or destroy data';
  }
  if (part.host !== undefined) return state.knownHosts.has(part.host) ? null : `you have not allowed ${part.host} yet`;
  switch (action.effect) {
    case 'write':
      return part.path === undefined || state.knownPaths.has(part.path)
        ? null
        : `you have not allowed a change to ${part.path} yet`;
    case 'remove':
      return 'this removes a file';
    case 'run':
      return part.path === undefined ? 'this runs a program' : null;
    case 'fetch':
    case 'external':
      return 'this could send data to others';
    default:
      return null;
  }
}

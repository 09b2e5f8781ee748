import { forEachChild, type ParsedScript, parse, type Redirection, type SyntaxNode, type Word } from 'unbash';
import { harmlessVariables, programName, shellState } from './programs.ts';
import { type CommandWord, type InnerCommand, innerOf } from './wrappers.ts';

/** A simple command, at any position in the script. */
export interface ShellCommand {
  /** Its words without quotes; null for a word that only the running shell knows. */
  readonly argv: readonly CommandWord[];
  /** The command as written, or rebuilt for a command found inside another. */
  readonly text: string;
  /** Whether it only starts another listed command and does not need its own rule. */
  readonly transparent: boolean;
}

/** A redirection to or from a file. */
export interface ShellRedirect {
  /** Null if only the running shell knows it. */
  readonly target: string | null;
  readonly writes: boolean;
}

/** Everything that a command line would run, and what cannot be known about it. */
export interface ShellAnalysis {
  readonly source: string;
  readonly commands: readonly ShellCommand[];
  readonly redirects: readonly ShellRedirect[];
  /** Noun clauses, each completing "DevLM cannot tell in advance ...". If there are any, the user is asked. */
  readonly unknown: readonly string[];
}

/** Names of shells. Only `bash` and `sh` are parsed; `sh` is judged as bash, and all differences count as unknown. */
export type ShellName = 'bash' | 'sh' | 'zsh' | 'powershell' | 'cmd' | 'other';

/**
 * Limits of a command line, beyond which it is not judged and the user is asked: characters, brackets, depth of
 * nesting, commands.
 */
const bounds = { chars: 10_000, brackets: 300, depth: 8, commands: 400 } as const;

// Characters that are invisible, or make a line look different from what it is. Line ends, tabs and spaces have already
// been removed.
const invisible = /[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u;

/** Analyzes a command line. Never throws: what cannot be analyzed is listed in `unknown`. */
export function analyzeShell(source: string, shell: ShellName = 'bash'): ShellAnalysis {
  const analyzer = new ShellAnalyzer();
  if (shell !== 'bash' && shell !== 'sh') analyzer.unknown.add(`what ${shell} does with this command line`);
  analyzer.script(source, 0);
  const { commands, redirects, unknown } = analyzer;
  if (commands.length === 0 && unknown.size === 0 && source.trim() === '') unknown.add('what an empty command does');
  return { source, commands, redirects, unknown: [...unknown] };
}

class ShellAnalyzer {
  readonly commands: ShellCommand[] = [];
  readonly redirects: ShellRedirect[] = [];
  readonly unknown = new Set<string>();

  script(source: string, depth: number): void {
    // Parse time grows with the square of the nesting depth.
    const brackets = source.length > bounds.chars ? 0 : source.split(/[({`]/).length;
    if (source.length > bounds.chars || brackets > bounds.brackets)
      this.unknown.add('what a command line of this length does');
    else if (invisible.test(source.replace(/[\n\t ]/g, '')))
      this.unknown.add('what a command line with invisible characters does');
    else if (depth > bounds.depth) this.unknown.add('what such a deeply nested command does');
    else {
      try {
        this.parsed(parse(source), source, depth);
      } catch {
        this.unknown.add('what a command line that cannot be parsed does');
      }
    }
  }

  private parsed(script: ParsedScript, source: string, depth: number): void {
    const scriptSource = script.source ?? source;
    if (script.errors && script.errors.length > 0) this.unknown.add('what a command line with a syntax error does');
    this.nothingDropped(script, scriptSource);
    forEachChild(script, (child) => this.node(child, scriptSource, depth));
  }

  private node(node: SyntaxNode, source: string, depth: number): void {
    if (this.commands.length > bounds.commands) {
      this.unknown.add('what so many commands do');
      return;
    }
    switch (node.type) {
      case 'Script':
        this.parsed(node, source, depth);
        return;
      case 'Command': {
        const argv: CommandWord[] = node.name ? [valueOfWord(node.name)] : [];
        for (const part of node.suffix) {
          if (part.type === 'Word') argv.push(valueOfWord(part));
          else if (part.type === 'Assignment') argv.push(null);
        }
        if (argv.length > 0) this.command(argv, source.slice(node.pos, node.end), depth, false);
        break;
      }
      case 'Assignment':
        this.assigned(node.name);
        break;
      case 'For':
      case 'Select':
        this.assigned(node.name.value);
        break;
      case 'Function':
        this.unknown.add(`what "${node.name.value}" does after it is redefined`);
        break;
      case 'Coproc':
        this.unknown.add('what a coprocess does');
        break;
      case 'Redirect':
      case 'HereDoc':
      case 'HereString':
        this.redirect(node);
        break;
      case 'CommandExpansion':
      case 'ProcessSubstitution':
      case 'ArithmeticCommandExpansion':
        if (!node.script) this.unknown.add('what a substitution runs');
        break;
      case 'ParameterExpansion':
        this.parameter(node.operation, node.prefix, node.index !== undefined);
        break;
      case 'ArithmeticExpansion':
      case 'ArithmeticCommand':
      case 'ArithmeticFor':
        // Arithmetic evaluates the values of variables as expressions, substitutions included.
        if (!/^[\d\s+\-*/%()<>=!&|$]*$/.test(source.slice(node.pos, node.end))) {
          this.unknown.add('what an arithmetic expression evaluates');
        }
        break;
      case 'TestUnary':
        if (!/^-[defhLnrswxz]$/.test(node.operator)) this.unknown.add('what a test expression evaluates');
        break;
      case 'TestBinary':
        if (!/^(=|==|!=)$/.test(node.operator)) this.unknown.add('what a test expression evaluates');
        break;
      default:
    }
    forEachChild(node, (child) => this.node(child, source, depth));
  }

  private command(argv: readonly CommandWord[], text: string, depth: number, nested: boolean): void {
    // Leading assignments come from `env`, whose inner words get here without a parser.
    let words = argv;
    if (nested) {
      while (typeof words[0] === 'string' && /^[A-Za-z_]\w*=/.test(words[0])) {
        this.assigned(words[0].slice(0, words[0].indexOf('=')));
        words = words.slice(1);
      }
    }
    const [name] = words;
    if (words.length === 0) return;
    if (typeof name !== 'string') {
      this.unknown.add('which program a computed name refers to');
      this.commands.push({ argv: words, text, transparent: false });
      return;
    }
    const program = programName(name);
    if (name === '') this.unknown.add('what an empty command name runs');
    if (shellState.has(program)) this.unknown.add(`what the shell does after "${program}"`);
    if ((program === 'printf' || program === 'test' || program === '[') && words.includes('-v')) {
      this.unknown.add(`what "${program} -v" evaluates`);
    }
    const inner = innerOf(words);
    const transparent = inner.kind === 'script' || (inner.kind === 'argv' && inner.transparent);
    this.commands.push({ argv: words, text, transparent });
    this.within(inner, depth);
  }

  private within(inner: InnerCommand, depth: number): void {
    if (depth >= bounds.depth) {
      if (inner.kind !== 'none') this.unknown.add('what such a deeply nested command does');
    } else if (inner.kind === 'argv') {
      this.command(inner.argv, inner.argv.map((word) => word ?? '…').join(' '), depth + 1, true);
    } else if (inner.kind === 'script') this.script(inner.script, depth + 1);
    else if (inner.kind === 'several') for (const item of inner.inner) this.within(item, depth);
    else if (inner.kind === 'unknown') this.unknown.add(inner.why);
  }

  private assigned(name: string): void {
    if (!harmlessVariables.has(name)) this.unknown.add(`what the programs do when the variable "${name}" is set`);
  }

  private redirect(node: Redirection): void {
    if (node.type === 'HereDoc') {
      if (!node.closing) this.unknown.add('where a here-document ends');
      return;
    }
    if (node.type === 'HereString') return;
    const target = node.target && valueOfWord(node.target);
    if (node.descriptor?.type === 'FileDescriptorVariable') this.unknown.add('which file a redirection uses');
    // A number after `>&` refers to an open file descriptor, not to a file.
    if ((node.operator === '>&' || node.operator === '<&') && target && /^(\d+-?|-)$/.test(target)) return;
    if (typeof target !== 'string') this.unknown.add('which file a redirection uses');
    else if (/^\/dev\/(tcp|udp)\//.test(target)) this.unknown.add('what is sent over the network');
    this.redirects.push({ target: target ?? null, writes: node.operator !== '<' && node.operator !== '<&' });
  }

  private parameter(
    operation: { readonly type: string; readonly operator: string } | undefined,
    prefix: '!' | '#' | undefined,
    indexed: boolean,
  ): void {
    const assigns = operation?.type === 'Default' && operation.operator.includes('=');
    if (assigns || prefix === '!' || indexed || operation?.type === 'Transform' || operation?.type === 'Unknown') {
      this.unknown.add('what a parameter expansion does');
    }
    if (operation?.type === 'Slice') this.unknown.add('what an arithmetic expression evaluates');
  }

  /**
   * Adds an unknown if anything but separators remains between the parts that the parser found. The parser itself is
   * lenient.
   */
  private nothingDropped(root: ParsedScript, source: string): void {
    const covered = new Uint8Array(source.length);
    const mark = (pos: number, end: number) => covered.fill(1, Math.max(0, pos), end);
    const visit = (node: SyntaxNode) => {
      if (node.type === 'Statement') mark(node.pos, node.end);
      if (node.type === 'HereDoc') {
        mark(node.body.pos, node.body.end);
        if (node.closing) mark(node.closing.pos, node.closing.end);
      }
      if (node.type !== 'Script' || node === root) forEachChild(node, visit);
    };
    visit(root);
    let rest = '';
    for (let at = root.pos; at < Math.min(root.end, source.length); at++) rest += covered[at] ? 'x' : source[at];
    const bare = rest.replace(/(^|[\sx;&])#[^\n]*/g, '$1').replace(/\\\n/g, '');
    if (/[^x\s;&]/.test(bare)) this.unknown.add('what a command line with a syntax error does');
  }
}

/** Returns a word's value if every shell would agree on it, or else null. */
function valueOfWord(word: Word): CommandWord {
  if (!word.parts) return word.value;
  let value = '';
  for (const [index, part] of word.parts.entries()) {
    switch (part.type) {
      case 'Literal':
      case 'SingleQuoted':
        value += part.value;
        break;
      case 'Glob':
        // A leading pattern could expand to a file name that reads as an option.
        if (index === 0) return null;
        value += part.text;
        break;
      case 'DoubleQuoted':
        for (const child of part.parts) {
          if (child.type !== 'Literal') return null;
          value += child.value;
        }
        break;
      default:
        return null;
    }
  }
  const pattern = word.parts.some((part) => part.type === 'Glob');
  return pattern && value.startsWith('-') ? null : value;
}

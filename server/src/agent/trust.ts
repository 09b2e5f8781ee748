import type { TurnState } from '@devlm/protocol/state.ts';
import type { UntrustedSource } from '@devlm/protocol/tools.ts';
import { readsWeb } from '../actions/policy/programs.ts';
import type { Trust } from '../actions/policy/rules.ts';
import { analyzeShell } from '../actions/policy/shell.ts';

/**
 * Returns the facts about a branch that decide whether a tool may act. Untrusted text counts permanently, because a
 * text that was compacted away may have influenced the summary.
 */
export function trustOf(branch: readonly TurnState[]): Trust {
  const taints = new Set<string>();
  const knownHosts = new Set<string>();
  const knownPaths = new Set<string>();
  for (const turn of branch) {
    for (const host of hostsIn(turn.text)) knownHosts.add(host);
    for (const attachment of turn.attachments) {
      if (attachment.kind === 'image' || !attachment.untrusted) continue;
      const { kind, name } = attachment.untrusted;
      taints.add(nameOf(attachment.untrusted));
      // The user named the host by attaching the page.
      if (kind === 'web') knownHosts.add(name.replace(/:\d+$/, ''));
    }
    for (const { blocks, calls, results } of turn.steps) {
      if (blocks.some(({ kind }) => kind === 'server_tool_result')) taints.add('the web');
      for (const { details } of Object.values(results)) {
        for (const source of details?.untrusted ?? []) taints.add(nameOf(source));
        if (details?.command && printsWeb(details.command.line))
          taints.add(`the output of "${details.command.line.slice(0, 200)}"`);
      }
      for (const { ask, answer } of Object.values(calls)) {
        if (ask?.kind !== 'approval' || answer?.kind !== 'approval' || !answer.allow) continue;
        for (const host of ask.hosts ?? []) knownHosts.add(host);
        for (const path of ask.paths ?? []) knownPaths.add(path);
      }
    }
  }
  return { taints: [...taints], knownHosts, knownPaths };
}

/** Returns whether a command prints text from the web, which is as untrusted as a page. */
function printsWeb(line: string): boolean {
  return analyzeShell(line).commands.some(({ argv }) => readsWeb(argv));
}

/** Returns the hosts of the URLs in a text that the user wrote. */
export function hostsIn(text: string): string[] {
  return [...text.matchAll(/\bhttps?:\/\/[^\s<>"'`)\]}]+/gi)].flatMap(([found]) => {
    // Punctuation at the end belongs to the sentence, not to the URL.
    const url = URL.parse(found.replace(/[.,;:!?]+$/, ''));
    return url ? [url.hostname] : [];
  });
}

/** Returns the name of an untrusted source, as shown to the user. */
function nameOf({ kind, name }: UntrustedSource): string {
  switch (kind) {
    case 'web':
      return name;
    case 'mcp':
      return `the MCP server "${name}"`;
    case 'outside':
      return `${name} (outside the workspace)`;
  }
}

import type { TurnState } from '@devlm/protocol/state.ts';
import type { UntrustedSource } from '@devlm/protocol/tools.ts';
import { readsWeb } from '../actions/policy/programs.ts';
import type { Trust } from '../actions/policy/rules.ts';
import { analyzeShell } from '../actions/policy/shell.ts';

/**
 * What a branch brings to the decision whether a tool may act. Text stays in it for good: what was
 * compacted away may have left its mark on the summary.
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
      // A page that the person attached is one they named.
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

/** What a command brought of the web is as untrusted as a page. */
function printsWeb(line: string): boolean {
  return analyzeShell(line).commands.some(({ argv }) => readsWeb(argv));
}

/** The hosts of the addresses in a text that the person wrote. */
export function hostsIn(text: string): string[] {
  return [...text.matchAll(/\bhttps?:\/\/[^\s<>"'`)\]}]+/gi)].flatMap(([found]) => {
    // The end of a sentence is no part of it.
    const url = URL.parse(found.replace(/[.,;:!?]+$/, ''));
    return url ? [url.hostname] : [];
  });
}

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

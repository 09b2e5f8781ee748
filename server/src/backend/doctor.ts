import type { SandboxStatus } from '@devlm/protocol/execution.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';

/** One thing that was looked at. */
export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  /** What was found, and where it is not well, what to do. */
  readonly detail: string;
}

/** Looks at what the server stands on. Starts nothing that stays. */
export async function examine(facts: {
  readonly version: string;
  readonly dataDir: string;
  readonly store: string;
  readonly sandboxes: readonly Sandbox[];
}): Promise<Finding[]> {
  const findings: Finding[] = [
    {
      what: 'version',
      ok: true,
      detail: `DevLM ${facts.version} on Node ${process.version}, ${process.platform} ${process.arch}`,
    },
    { what: 'data folder', ok: true, detail: facts.dataDir },
    { what: 'storage', ok: true, detail: facts.store },
  ];
  if (facts.sandboxes.length === 0) findings.push({ what: 'sandbox', ok: true, detail: 'switched off (sandbox)' });
  for (const sandbox of facts.sandboxes) {
    const { available, message, languages } = await sandbox.status();
    findings.push({ what: `sandbox: ${sandbox.kind}`, ok: available, detail: message });
    if (available) findings.push(...languages.map((language) => toFinding(sandbox.kind, language)));
  }
  return findings;
}

function toFinding(
  kind: Sandbox['kind'],
  { language, state, runs, message }: SandboxStatus['languages'][number],
): Finding {
  const found = { ready: 'ready', missing: 'comes with the first run', unavailable: 'not available' }[state];
  const detail = [runs, found, message].filter(Boolean).join(': ');
  // Only what is asked for has to be there.
  return { what: `${kind}: ${language}`, ok: true, detail };
}

import type { SandboxStatus } from '@devlm/protocol/execution.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';

/** Result of one check. */
export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  /** What was found and, if the check failed, how to fix it. */
  readonly detail: string;
}

/** Checks the version, data folder, store, Redis and sandboxes of the server. Starts nothing that keeps running. */
export async function examine(facts: {
  readonly version: string;
  readonly dataDir: string;
  readonly store: Omit<Finding, 'what'>;
  /** Null: Redis is not configured. */
  readonly redis: Omit<Finding, 'what'> | null;
  readonly sandboxes: readonly Sandbox[];
}): Promise<Finding[]> {
  const findings: Finding[] = [
    {
      what: 'version',
      ok: true,
      detail: `DevLM ${facts.version} on Node ${process.version}, ${process.platform} ${process.arch}`,
    },
    { what: 'data folder', ok: true, detail: facts.dataDir },
    { what: 'storage', ...facts.store },
  ];
  if (facts.redis) findings.push({ what: 'redis', ...facts.redis });
  if (facts.sandboxes.length === 0) findings.push({ what: 'sandbox', ok: true, detail: 'turned off (sandbox=off)' });
  const sandboxes = await Promise.all(
    facts.sandboxes.map(async (sandbox) => ({ kind: sandbox.kind, ...(await sandbox.status()) })),
  );
  // One sandbox is enough: the first available one runs the programs.
  const served = sandboxes.some(({ available }) => available);
  for (const { kind, available, message, languages } of sandboxes) {
    const detail = served && !available ? `not used. ${message}` : message;
    findings.push({ what: `sandbox: ${kind}`, ok: served, detail });
    if (available) findings.push(...languages.map((language) => toFinding(kind, language)));
  }
  return findings;
}

function toFinding(
  kind: Sandbox['kind'],
  { language, state, runs, message }: SandboxStatus['languages'][number],
): Finding {
  const found = { ready: 'ready', missing: 'installed on first use', unavailable: 'not available' }[state];
  const detail = [runs, found, message].filter(Boolean).join(': ');
  // A language need not be available until a program is written in it.
  return { what: `${kind}: ${language}`, ok: true, detail };
}

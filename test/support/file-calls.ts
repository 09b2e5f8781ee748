import { createHash, randomBytes } from 'node:crypto';
import type { FileChange } from '@devlm/protocol/tools.ts';
import type { Edit, WantedFile } from '../../server/src/actions/edits/types.ts';
import { changeFiles } from '../../server/src/actions/effects/change-files.ts';
import { Secrets } from '../../server/src/actions/secrets/secrets.ts';
import { hidingWorkspace } from '../../server/src/actions/secrets/uses.ts';
import type { ToolContext, ToolOutcome } from '../../server/src/actions/tool.ts';
import { applyPatch } from '../../server/src/actions/tools/apply-patch.ts';
import { fileEdit } from '../../server/src/actions/tools/file-edit.ts';
import { fileRead } from '../../server/src/actions/tools/file-read.ts';
import type { Workspace } from '../../server/src/workspace/workspace.ts';

/**
 * Calls the file tools on a workspace, as the agent loop does for the model, with a user who allows everything. It
 * imports neither vitest nor `vscode`, so that it also runs in an extension host.
 */
export class FileCalls {
  /** Changes that the calls announced before they made them, one entry for each call. */
  readonly begun: (readonly FileChange[])[] = [];
  /** Called while the user decides about a change. */
  whileAsked: () => Promise<void> = async () => undefined;
  readonly #workspace: Workspace;
  readonly #known = new Map<string, string>();
  readonly #texts = new Map<string, string>();
  readonly #secrets = new Secrets(randomBytes(32));
  readonly #signal = new AbortController().signal;

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
  }

  /** Reads a file, which may be changed afterwards. */
  async read(path: string): Promise<ToolOutcome> {
    return await this.#run((context) => fileRead.run({ path }, context));
  }

  /** Edits a file. Edits that the input of `file_edit` does not permit are passed to the function behind the tool. */
  async edit(path: string, edits: readonly Edit[]): Promise<ToolOutcome> {
    const isInput = edits.length > 0 && edits.every(({ oldText }) => oldText !== '');
    if (!isInput) return await this.change([{ path, edits }]);
    return await this.#run((context) => fileEdit.run({ path, edits }, context));
  }

  async patch(patch: string): Promise<ToolOutcome> {
    return await this.#run((context) => applyPatch.run({ patch }, context));
  }

  async change(wanted: readonly WantedFile[]): Promise<ToolOutcome> {
    return await this.#run((context) => changeFiles(context, 'file_edit', wanted));
  }

  /** Returns a text that a call has stored, by its hash, or undefined. */
  text(hash: string): string | undefined {
    return this.#texts.get(hash);
  }

  async #run(work: (context: ToolContext) => Promise<ToolOutcome>): Promise<ToolOutcome> {
    const outcome = await work(this.#context());
    const { reads = [], changes = [] } = outcome.details ?? {};
    for (const { path, hash } of reads) this.#known.set(path, hash);
    for (const { path, after } of changes) {
      if (after === null) this.#known.delete(path);
      else this.#known.set(path, after);
    }
    return outcome;
  }

  #context(): ToolContext {
    const secrets = this.#secrets;
    return {
      conversationId: 'conversation',
      turnId: 'turn',
      callId: 'call',
      signal: this.#signal,
      stopped: () => false,
      workspace: async () => hidingWorkspace(this.#workspace, secrets),
      known: this.#known,
      commands: new Map(),
      trust: { taints: [], knownHosts: new Set(), knownPaths: new Set() },
      earlier: [],
      web: { pages: { read: unused }, search: null },
      secrets,
      usesSecrets: false,
      symbols: unused,
      begun: null,
      ask: async ({ kind }) => {
        await this.whileAsked();
        return kind === 'approval' ? { kind, allow: true } : { kind, text: '', option: null };
      },
      begin: async ({ changes = [] }) => void this.begun.push(changes),
      output: () => undefined,
      putText: async (text) => {
        const hash = createHash('sha256').update(text).digest('hex');
        this.#texts.set(hash, text);
        return hash;
      },
      getText: async (hash) => this.#texts.get(hash) ?? null,
      putImage: unused,
      execute: unused,
    };
  }
}

function unused(): never {
  throw new Error('The tools for files do not need this.');
}

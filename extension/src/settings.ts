import type { PageSettings } from '@devlm/protocol/page.ts';
import * as vscode from 'vscode';

/** The section of all settings; package.json describes them. */
export const section = 'devlm';

const get = <T>(name: string, fallback: T): T => vscode.workspace.getConfiguration(section).get<T>(name, fallback);

export function pageSettings(): PageSettings {
  return {
    enterSends: get('enterSends', true),
    showCost: get('showCost', true),
    expandThinking: get('expandThinking', false),
    restricted: !vscode.workspace.isTrusted && (vscode.workspace.workspaceFolders ?? []).length > 0,
    defaults: chatDefaults(),
  };
}

/** What a window without a saved view begins with, and every window when these settings change. */
export function chatDefaults(): { model: string | null; thinking: boolean } {
  return { model: get('model', '').trim() || null, thinking: get('thinking', false) };
}

/** Null where the setting is empty. */
export function baseUrl(): string | null {
  return get('baseUrl', '').trim() || null;
}

/** US dollars; 0: no limit. */
export function budgets(): { perDay: number; perAnswer: number } {
  return { perDay: get('budget.perDay', 0), perAnswer: get('budget.perAnswer', 0) };
}

/** Empty: the default place. */
export function dataDir(): string {
  return get('dataDir', '').trim();
}

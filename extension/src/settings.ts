import type { PageSettings } from '@devlm/protocol/page.ts';
import * as vscode from 'vscode';

/** Section of all settings, which package.json describes. */
export const section = 'devlm';

const get = <T>(name: string, fallback: T): T => vscode.workspace.getConfiguration(section).get<T>(name, fallback);

/** Returns the settings that the page needs. */
export function pageSettings(): PageSettings {
  return {
    enterSends: get('enterSends', true),
    showCost: get('showCost', true),
    expandThinking: get('expandThinking', false),
    restricted: !vscode.workspace.isTrusted && (vscode.workspace.workspaceFolders ?? []).length > 0,
    defaults: chatDefaults(),
  };
}

/** Returns the defaults for windows without a saved view. A change of these settings applies to all windows. */
export function chatDefaults(): { model: string | null; thinking: boolean } {
  return { model: get('model', '').trim() || null, thinking: get('thinking', false) };
}

/** Returns the base URL, or null if the setting is empty. */
export function baseUrl(): string | null {
  return get('baseUrl', '').trim() || null;
}

/** Returns the budgets in US dollars. 0 means no limit. */
export function budgets(): { perDay: number; perAnswer: number } {
  return { perDay: get('budget.perDay', 0), perAnswer: get('budget.perAnswer', 0) };
}

/** Returns the data folder, or an empty string for the default. */
export function dataDir(): string {
  return get('dataDir', '').trim();
}

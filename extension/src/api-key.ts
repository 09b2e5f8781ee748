import * as vscode from 'vscode';

const t = vscode.l10n.t;

/** Name of the key in `SecretStorage`. The key is sent to the server's memory and nowhere else. */
const secretName = 'devlm.apiKey';

/** The API key of this editor. */
export class ApiKey {
  readonly #secrets: vscode.SecretStorage;

  constructor(secrets: vscode.SecretStorage) {
    this.#secrets = secrets;
  }

  /** Returns the key, or null if none is stored. */
  async read(): Promise<string | null> {
    return (await this.#secrets.get(secretName)) || null;
  }

  /** Stores the key without surrounding space. */
  async store(key: string): Promise<void> {
    await this.#secrets.store(secretName, key.trim());
  }

  /** Removes the key. */
  async clear(): Promise<void> {
    await this.#secrets.delete(secretName);
  }

  /** Calls the listener when the key changes, also in another window. */
  onChange(listener: () => void): vscode.Disposable {
    return this.#secrets.onDidChange((event) => {
      if (event.key === secretName) listener();
    });
  }

  /** Asks the user for a key and stores it. Returns whether one was entered. */
  async ask(): Promise<boolean> {
    const key = await vscode.window.showInputBox({
      title: t('DevLM: API Key'),
      prompt: t('Enter your Claude API key. It is kept in the secret storage of this editor.'),
      placeHolder: 'sk-ant-...',
      password: true,
      ignoreFocusOut: true,
      validateInput: (value) => (keyFormat.test(value.trim()) ? undefined : t('Enter a key without spaces.')),
    });
    if (key === undefined) return false;
    await this.store(key);
    return true;
  }
}

/** Format of a key. Gateways have their own formats, so only characters that a header cannot carry are refused. */
const keyFormat = /^[\x21-\x7e]{1,4096}$/;

/**
 * Asks the user for the base URL of the Messages API. Returns undefined if cancelled, or an empty string for the
 * default.
 */
export async function askBaseUrl(current: string): Promise<string | undefined> {
  return await vscode.window.showInputBox({
    title: t('DevLM: Base URL'),
    prompt: t(
      'Enter the base URL of a Messages API: Claude, a gateway, Ollama or llama.cpp. Leave empty for the Claude API.',
    ),
    placeHolder: 'https://api.anthropic.com',
    value: current,
    ignoreFocusOut: true,
    validateInput: (value) => {
      const text = value.trim();
      if (text === '' || (/^https?:\/\//i.test(text) && URL.canParse(text))) return undefined;
      return t('Enter a URL that starts with http:// or https://.');
    },
  });
}

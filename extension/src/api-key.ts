import * as vscode from 'vscode';

const t = vscode.l10n.t;

/** Where the key is in `SecretStorage`. It leaves it only for the server's memory. */
const secretName = 'devlm.apiKey';

export class ApiKey {
  readonly #secrets: vscode.SecretStorage;

  constructor(secrets: vscode.SecretStorage) {
    this.#secrets = secrets;
  }

  /** Null when none is stored. */
  async read(): Promise<string | null> {
    return (await this.#secrets.get(secretName)) || null;
  }

  async store(key: string): Promise<void> {
    await this.#secrets.store(secretName, key.trim());
  }

  async clear(): Promise<void> {
    await this.#secrets.delete(secretName);
  }

  /** Also when another window changed it. */
  onChange(listener: () => void): vscode.Disposable {
    return this.#secrets.onDidChange((event) => {
      if (event.key === secretName) listener();
    });
  }

  /** Asks for a key and stores it; answers whether one was given. */
  async ask(): Promise<boolean> {
    const key = await vscode.window.showInputBox({
      title: t('DevLM: API Key'),
      prompt: t('A key of the Claude API. It is kept in the secret storage of this editor.'),
      placeHolder: 'sk-ant-...',
      password: true,
      ignoreFocusOut: true,
      validateInput: (value) => (keyShape.test(value.trim()) ? undefined : t('A key has no spaces and is not empty.')),
    });
    if (key === undefined) return false;
    await this.store(key);
    return true;
  }
}

/** Gateways have keys of their own shape: only what could not be sent in a header is refused. */
const keyShape = /^[\x21-\x7e]{1,4096}$/;

/** Asks for the address of the Messages API; undefined when given up, empty for the default. */
export async function askBaseUrl(current: string): Promise<string | undefined> {
  return await vscode.window.showInputBox({
    title: t('DevLM: Base URL'),
    prompt: t('Where the Messages API is: Claude, a gateway, Ollama or llama.cpp. Empty for the default.'),
    placeHolder: 'https://api.anthropic.com',
    value: current,
    ignoreFocusOut: true,
    validateInput: (value) => {
      const text = value.trim();
      if (text === '' || (/^https?:\/\//i.test(text) && URL.canParse(text))) return undefined;
      return t('An address that begins with http:// or https://');
    },
  });
}

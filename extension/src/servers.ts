import * as vscode from 'vscode';
import { runCancellable } from './cancellation.ts';
import {
  type ConnectLink,
  hostOf,
  isOpenToOthers,
  parseAddress,
  parseConnectLink,
  parseToken,
} from './connection/address.ts';
import { type Profile, Profiles, profilesSecret } from './connection/profiles.ts';
import { RemoteServer } from './connection/remote.ts';
import { asProblem, problemsOf } from './problems.ts';

const t = vscode.l10n.t;

/** A server to pick, or the way to connect to another one. */
interface ServerItem extends vscode.QuickPickItem {
  /** Switches to the server. Returns whether it switched. */
  run(): Promise<boolean>;
  /** Forgets the server and its token. Set for a remote server. */
  forget?(): Promise<void>;
}

/** Lets the user choose the server: the local one, or a remote one. */
export class Servers {
  readonly #profiles: Profiles;
  readonly #secrets: vscode.SecretStorage;

  constructor({ secrets, globalState }: Pick<vscode.ExtensionContext, 'secrets' | 'globalState'>) {
    this.#secrets = secrets;
    this.#profiles = new Profiles(secrets, globalState);
  }

  /** Returns the active profile, or null for the local server. */
  active(): Promise<Profile | null> {
    return this.#profiles.active();
  }

  /** Calls the listener when the active server changes, also in another window. */
  onChange(listener: () => void): vscode.Disposable {
    return this.#secrets.onDidChange((event) => {
      if (event.key === profilesSecret) listener();
    });
  }

  /** Asks for an address and a token, tests them, and switches to the server. Returns whether it switched. */
  async connect(): Promise<boolean> {
    const typed = await vscode.window.showInputBox({
      title: t('DevLM: Connect to Server'),
      prompt: t('Enter the server address that your administrator gave you.'),
      placeHolder: 'https://devlm.example.com',
      ignoreFocusOut: true,
      validateInput: (text) =>
        parseAddress(text) === null ? t('Enter an address such as https://devlm.example.com.') : undefined,
    });
    const origin = typed === undefined ? null : parseAddress(typed);
    if (origin === null || (isOpenToOthers(origin) && !(await confirmOpen(origin)))) return false;
    return await this.#enter(origin);
  }

  /** Handles a connect link. The link may come from anyone, so the user first confirms the server that it names. */
  async open(uri: vscode.Uri): Promise<boolean> {
    const link = parseConnectLink(uri.path, uri.query);
    if (!link) {
      void vscode.window.showErrorMessage(
        t('This link to a DevLM server is not valid. Ask your administrator for a new one.'),
      );
      return false;
    }
    if (!(await confirmLink(link))) return false;
    const { origin, token } = link;
    return token === null ? await this.#enter(origin) : await this.#tryConnect(origin, token);
  }

  /** Asks for a new token for the active server. If that is the local one, asks for a server. */
  async enterToken(): Promise<boolean> {
    const profile = await this.active();
    return profile ? await this.#enter(profile.origin) : await this.connect();
  }

  /** Lets the user pick a known server, or enter another one. */
  async choose(): Promise<boolean> {
    const [active, profiles] = await Promise.all([this.#profiles.active(), this.#profiles.list()]);
    const forget = { iconPath: new vscode.ThemeIcon('trash'), tooltip: t('Forget this server and its token') };
    const usage = (isActive: boolean) => (isActive ? { description: t('in use') } : {});
    const pick = vscode.window.createQuickPick<ServerItem>();
    pick.title = t('DevLM: Switch Server');
    // The chat may take the focus while it loads.
    pick.ignoreFocusOut = true;
    pick.items = [
      {
        label: `$(device-desktop) ${t('This machine')}`,
        ...usage(active === null),
        run: async () => {
          await this.#profiles.useLocal();
          return true;
        },
      },
      ...profiles.map((profile) => ({
        label: `$(server) ${hostOf(profile.origin)}`,
        ...usage(profile.origin === active?.origin),
        buttons: [forget],
        run: async () => {
          await this.#profiles.use(profile.origin, profile.token);
          return true;
        },
        forget: () => this.#profiles.forget(profile.origin),
      })),
      { label: `$(add) ${t('Connect to another server...')}`, alwaysShow: true, run: () => this.connect() },
    ];
    const { promise, resolve } = Promise.withResolvers<(() => Promise<boolean>) | undefined>();
    pick.onDidAccept(() => resolve(pick.selectedItems[0]?.run));
    pick.onDidTriggerItemButton(({ item }) =>
      resolve(async () => {
        await item.forget?.();
        return false;
      }),
    );
    pick.onDidHide(() => resolve(undefined));
    pick.show();
    const run = await promise;
    pick.dispose();
    return (await run?.()) ?? false;
  }

  /**
   * Asks for a token.
   * @param why reason why the token is asked for again
   */
  async #enter(origin: string, why?: string): Promise<boolean> {
    const token = await vscode.window.showInputBox({
      title: t('DevLM: Token for {0}', hostOf(origin)),
      prompt:
        why ?? t('Enter the token that your administrator gave you. It is kept in the secret storage of this editor.'),
      password: true,
      ignoreFocusOut: true,
      validateInput: (text) =>
        parseToken(text) === null ? t('Enter a complete token. It has three parts separated by periods.') : undefined,
    });
    const parsed = token === undefined ? null : parseToken(token);
    return parsed !== null && (await this.#tryConnect(origin, parsed));
  }

  /** Connects, and switches to the server if that succeeds. Otherwise shows the problem and changes nothing. */
  async #tryConnect(origin: string, token: string): Promise<boolean> {
    const problems = problemsOf(t, hostOf(origin));
    const server = new RemoteServer({ origin, token: async () => token, problems });
    const title = t('Connecting to {0}', server.remote);
    const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
    const connect = async (signal: AbortSignal) => {
      try {
        await server.connect(signal);
        return null;
      } catch (error) {
        signal.throwIfAborted();
        return asProblem(error, t);
      }
    };
    const problem = await vscode.window.withProgress(options, (_progress, cancellation) =>
      runCancellable(cancellation, connect),
    );
    if (problem === undefined) return false;
    if (problem !== null) {
      if (problem.action === 'set-token') return await this.#enter(origin, problem.detail);
      void vscode.window.showErrorMessage(problem.detail);
      return false;
    }
    await this.#profiles.use(origin, token);
    return true;
  }
}

async function confirmOpen(origin: string): Promise<boolean> {
  const connect = t('Connect Anyway');
  const detail = t(
    'Anyone on the network between you and the server can read your chats and your token, and change the answers.',
  );
  const message = t('The connection to {0} is not encrypted.', hostOf(origin));
  return (await vscode.window.showWarningMessage(message, { modal: true, detail }, connect)) === connect;
}

async function confirmLink({ origin }: ConnectLink): Promise<boolean> {
  const connect = t('Connect');
  const detail = t(
    'Your chats and files will be sent to this server, and it can change files and run commands in your workspace. Connect only if you trust the administrator of the server.',
  );
  const message = t('Connect DevLM to {0}?', hostOf(origin));
  const isConfirmed = (await vscode.window.showWarningMessage(message, { modal: true, detail }, connect)) === connect;
  return isConfirmed && (!isOpenToOthers(origin) || (await confirmOpen(origin)));
}

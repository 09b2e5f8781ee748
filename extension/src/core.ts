import type { FilesAnswer, HostToPage, PageCommand, PageSettings, SavedView } from '@devlm/protocol/page.ts';
import * as vscode from 'vscode';
import { ChatHost } from './chat/chat-host.ts';
import { ViewStore } from './chat/saved-view.ts';
import { hostOf } from './connection/address.ts';
import { type BudgetLimits, sendBudgets } from './connection/budgets.ts';
import { type Credential, ServerConnection } from './connection/connection.ts';
import { dataFolder } from './connection/data-folder.ts';
import { Launcher } from './connection/launcher.ts';
import { accountOf, type Profile } from './connection/profiles.ts';
import { RemoteServer } from './connection/remote.ts';
import { runEditorAction } from './editor/actions.ts';
import { provideStoredFiles } from './editor/diff.ts';
import { pickFiles, readChosen, readSelection } from './editor/files.ts';
import { TerminalOutput } from './editor/terminal-output.ts';
import { ChatModels } from './lm/chat-models.ts';
import { ChatTools } from './lm/chat-tools.ts';
import { mcpNotices } from './lm/mcp-notices.ts';
import { Participant } from './lm/participant.ts';
import type { Log, Memento, Translate } from './ports.ts';
import { type Problems, problemsOf } from './problems.ts';
import { Reviewer } from './review/reviewer.ts';
import { askOpenNetwork } from './runs/ask-open-network.ts';
import { Consent } from './runs/consent.ts';
import { SelectionRuns } from './runs/selection-runs.ts';
import { TaskCommands } from './tasks/task-commands.ts';
import { shareWorkspace } from './workspace/shared-workspace.ts';

/** Routes with which the page decides about changes. */
const reviewRoutes: ReadonlySet<string> = new Set(['changes.review', 'changes.undo', 'files.restore']);

/** Options of `createCore`. */
export interface CoreOptions {
  readonly version: string;
  /** Absolute path of `server.mjs`. */
  readonly serverBundle: string;
  /** The setting, or empty for the default folder. */
  readonly dataDir: string;
  /** Profile of a remote server. Null: the local server. */
  readonly remote: Profile | null;
  /** Returns the token, or null if it is no longer stored. */
  readonly token: () => Promise<string | null>;
  /** Returns the credential for the local server. A remote server has its own. */
  readonly credential: () => Promise<Credential>;
  /** Returns the budgets of the settings. */
  readonly budgets: () => BudgetLimits;
  readonly memento: Memento;
  /** State of this machine, shared by all windows. */
  readonly machineMemento: Memento;
  readonly defaults: Pick<SavedView, 'model' | 'thinking'>;
  readonly settings: () => PageSettings;
  readonly projectId: () => string | null;
  readonly runCommand: (command: PageCommand) => Promise<void>;
  /** Shows the chat and sends a request to its page. */
  readonly askPage: (message: Extract<HostToPage, { kind: 'do' }>) => Promise<void>;
  readonly onPageReady: (ready: boolean) => void;
  readonly log: Log;
}

/** The heavy part of the extension, which is loaded on first use instead of at activation. */
export interface Core {
  readonly connection: ServerConnection;
  readonly host: ChatHost;
  readonly reviewer: Reviewer;
  readonly dataDir: string;
  /** Runs the selection of the active editor, or the whole file without one. */
  readonly runSelection: () => Promise<void>;
  /** Stops the commands that the agent runs in this window. Returns their number. */
  readonly stopCommands: () => Promise<number>;
  /** Tools for VS Code's own chat. */
  readonly chatTools: ChatTools;
  readonly participant: Participant;
  /** The server's models, offered to other extensions. */
  readonly chatModels: ChatModels;
  /** The commands on code. */
  readonly tasks: TaskCommands;
  /** Applies changed settings for new chats, in place of earlier choices in the page. */
  readonly defaultsChanged: (defaults: Pick<SavedView, 'model' | 'thinking'>) => void;
  readonly files: {
    readonly selection: () => FilesAnswer;
    readonly chosen: (uris: readonly vscode.Uri[]) => Promise<FilesAnswer>;
    readonly pick: () => Promise<FilesAnswer>;
  };
  dispose(): void;
}

/** Creates the core. It does not connect to a server yet. */
export function createCore(options: CoreOptions): Core {
  const { log, remote, projectId, askPage } = options;
  const t: Translate = (text, ...args) => vscode.l10n.t(text, ...args);
  const problems = problemsOf(t, remote && hostOf(remote.origin));
  const dataDir = dataFolder(options.dataDir);
  const connection = createConnection(options, { dataDir, problems, t });
  const views = new ViewStore(options.memento, options.defaults, accountOf(remote));
  const consent = new Consent({
    memento: options.machineMemento,
    isTrusted: () => vscode.workspace.isTrusted,
    ask: askOpenNetwork,
    problems,
  });
  const storedFiles = provideStoredFiles(connection);
  const reviewer = new Reviewer(connection, log);
  connection.onNotice(mcpNotices(projectId, log));
  const sharedWorkspace = shareWorkspace({ connection, projectId, problems, log });
  const runs = new SelectionRuns({ connection, consent, log, t });
  const tasks = new TaskCommands({ connection, projectId, view: () => views.view, askPage, log, t });
  const terminals = new TerminalOutput();
  const host = createChatHost(options, { connection, reviewer, views, tasks, terminals, consent, t });
  return {
    connection,
    host,
    reviewer,
    runSelection: () => runs.run(),
    stopCommands: () => sharedWorkspace.stopCommands(),
    tasks,
    chatTools: new ChatTools({ connection, projectId, problems, t }),
    participant: new Participant({ connection, projectId }),
    chatModels: new ChatModels({ connection, problems }),
    dataDir,
    defaultsChanged: (defaults) => {
      views
        .save({ ...views.view, ...defaults })
        .catch((error: unknown) => log.warn(`could not save the view: ${String(error)}`));
    },
    files: { selection: readSelection, chosen: readChosen, pick: pickFiles },
    dispose: () => {
      storedFiles.dispose();
      reviewer.dispose();
      sharedWorkspace.dispose();
      host.dispose();
      runs.dispose();
      tasks.dispose();
      terminals.dispose();
      connection.dispose();
    },
  };
}

interface ConnectionParts {
  readonly dataDir: string;
  readonly problems: Problems;
  readonly t: Translate;
}

/** Creates the connection to the remote server or, without one, to the server on this machine. */
function createConnection(options: CoreOptions, { dataDir, problems, t }: ConnectionParts): ServerConnection {
  const { version, remote, token, log } = options;
  const common = { version, problems, log, t };
  if (remote) {
    return new ServerConnection({
      ...common,
      source: new RemoteServer({ origin: remote.origin, token, problems }),
      credential: async () => ({ apiKey: null, baseUrl: null }),
    });
  }
  return new ServerConnection({
    ...common,
    source: new Launcher({ dataDir, bundle: options.serverBundle, version, log, problems }),
    credential: options.credential,
    introduce: (client) =>
      sendBudgets(client, options.budgets()).catch((error: unknown) =>
        log.warn(`could not send the budgets: ${String(error)}`),
      ),
  });
}

interface ChatHostParts {
  readonly connection: ServerConnection;
  readonly reviewer: Reviewer;
  readonly views: ViewStore;
  readonly tasks: TaskCommands;
  readonly terminals: TerminalOutput;
  readonly consent: Consent;
  readonly t: Translate;
}

/** Creates the host of the chat page, which runs the page's editor actions with the other parts of the core. */
function createChatHost(options: CoreOptions, parts: ChatHostParts): ChatHost {
  const { connection, reviewer, views, tasks, terminals, consent, t } = parts;
  const { runCommand } = options;
  const saveView = (view: SavedView) => views.save(view);
  return new ChatHost({
    connection,
    editor: (action, signal) =>
      runEditorAction(action, signal, { connection, reviewer, saveView, runCommand, tasks, terminals }),
    view: () => views.view,
    settings: options.settings,
    projectId: options.projectId,
    consent,
    strings: vscode.l10n.bundle ?? {},
    onReady: options.onPageReady,
    onCalled: (route) => {
      if (reviewRoutes.has(route)) void reviewer.refresh();
    },
    log: options.log,
    t,
  });
}

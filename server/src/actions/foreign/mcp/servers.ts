import type { McpStatus } from '@devlm/protocol/views.ts';
import { sha256Hex } from '../../../sha256.ts';
import type { Workspace } from '../../../workspace/workspace.ts';
import type { Tool } from '../../tool.ts';
import { Agreements } from './agreements.ts';
import { type NamedServer, readServers } from './config.ts';
import { Connection } from './connection.ts';
import type { SessionOptions } from './session.ts';
import { mcpTools, resourceTool, startTool } from './tools.ts';

/** Maximum time that a turn waits for servers that are starting, in milliseconds. */
const turnWaitMs = 5_000;
/** Maximum size of all tools offered to the model, as JSON, in UTF-16 code units. */
const maxOfferChars = 200_000;
/** Time without a window after which the servers of a project are ended, in milliseconds. */
const graceMs = 15_000;
/** Maximum number of projects with running servers. */
const maxProjects = 50;

/** Options of `McpServers`. */
export interface McpOptions extends SessionOptions {
  readonly dataDir: string;
  /** Whether MCP servers are started as programs. False on a server that several users share. */
  readonly stdio: boolean;
  /** Time without use after which a server is ended, in milliseconds. */
  readonly idleMs: number;
  /** Returns whether a window of the project is attached. */
  readonly attached: (projectId: string) => boolean;
  /** Called when the status of a server has changed. */
  readonly onStatus: (projectId: string, status: McpStatus) => void;
}

/** The servers of one project. */
interface ProjectServers {
  readonly connections: Map<string, Connection>;
  /** The unusable servers that were reported last, as JSON. */
  reported: string;
  /** Time when a window was last attached, as of `performance.now()`. */
  seenAt: number;
}

/** The MCP servers of all projects. */
export class McpServers implements AsyncDisposable {
  readonly #options: McpOptions;
  readonly #agreements: Agreements;
  readonly #projects = new Map<string, ProjectServers>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: McpOptions) {
    this.#options = options;
    this.#agreements = new Agreements(options.dataDir);
    this.#timer = setInterval(() => this.#sweep(), Math.min(5_000, Math.max(100, options.idleMs / 4))).unref();
  }

  /**
   * Returns the tools of the servers that a window names. Servers that do not respond in time are offered in the next
   * turn. A restricted workspace has no servers.
   *
   * @param offer called when further tools become available during the turn
   */
  async toolsFor(
    projectId: string,
    workspace: Workspace,
    offer: (tools: readonly Tool[]) => void,
    signal: AbortSignal,
  ): Promise<Tool[]> {
    if (workspace.restricted || !workspace.mcp) return [];
    const folder = workspace.folders[0]?.path ?? null;
    const { servers, unusable } = readServers(workspace.mcp, { stdio: this.#options.stdio, folder });
    const project = this.#project(projectId);
    if (servers.length === 0 && unusable.length === 0 && project.connections.size === 0) return [];
    const reported = JSON.stringify(unusable);
    if (reported !== project.reported) {
      project.reported = reported;
      for (const { name, why } of unusable)
        this.#options.onStatus(projectId, {
          name,
          state: 'failed',
          detail: `Cannot use the MCP server "${name}": ${why}.`,
          tools: 0,
        });
    }
    const agreed = servers.filter((server) => server.from === 'user' || this.#agreements.has(keyOf(projectId, server)));
    await this.#reconcile(projectId, project, agreed);
    const connections = [...project.connections.values()];
    const soon = AbortSignal.any([signal, AbortSignal.timeout(turnWaitMs)]);
    await Promise.all(connections.map((connection) => connection.ready(soon).catch(() => undefined)));
    signal.throwIfAborted();
    const waiting = servers.filter((server) => !agreed.includes(server));
    return [
      ...offerOf(connections),
      ...(waiting.length > 0
        ? [startTool(waiting, (server, toolSignal) => this.#agree(projectId, server, offer, toolSignal))]
        : []),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    const connections = [...this.#projects.values()].flatMap((project) => [...project.connections.values()]);
    this.#projects.clear();
    await Promise.all(connections.map((connection) => connection.close()));
  }

  /** Stores the user's agreement to a server of the workspace, starts the server and offers its tools. */
  async #agree(
    projectId: string,
    server: NamedServer,
    offer: (tools: readonly Tool[]) => void,
    signal: AbortSignal,
  ): Promise<Connection> {
    this.#agreements.add(keyOf(projectId, server));
    const project = this.#project(projectId);
    const connection = this.#connection(projectId, project, server);
    await connection.ready(signal);
    offer(offerOf([...project.connections.values()]));
    return connection;
  }

  #project(projectId: string): ProjectServers {
    const project = this.#projects.get(projectId) ?? { connections: new Map(), reported: '[]', seenAt: 0 };
    project.seenAt = performance.now();
    this.#projects.set(projectId, project);
    if (this.#projects.size > maxProjects) {
      const [oldest] = [...this.#projects].toSorted(([, a], [, b]) => a.seenAt - b.seenAt);
      if (oldest) this.#drop(...oldest);
    }
    return project;
  }

  /** Makes sure that there is a connection for each of these servers in its current configuration, and no other. */
  async #reconcile(projectId: string, project: ProjectServers, servers: readonly NamedServer[]): Promise<void> {
    for (const [name, connection] of project.connections) {
      if (servers.some((server) => server.name === name && sameTarget(server, connection.server))) continue;
      project.connections.delete(name);
      void connection.close();
    }
    for (const server of servers) this.#connection(projectId, project, server);
  }

  #connection(projectId: string, project: ProjectServers, server: NamedServer): Connection {
    const { version, callMs, onStatus } = this.#options;
    const connection =
      project.connections.get(server.name) ??
      new Connection({ server, version, callMs, onStatus: (status) => onStatus(projectId, status) });
    project.connections.set(server.name, connection);
    return connection;
  }

  #sweep(): void {
    const now = performance.now();
    for (const [projectId, project] of this.#projects) {
      if (this.#options.attached(projectId)) project.seenAt = now;
      const connections = [...project.connections.values()];
      const busy = connections.some((connection) => connection.busy);
      if (!busy && now - project.seenAt > Math.min(graceMs, this.#options.idleMs)) this.#drop(projectId, project);
      else
        for (const connection of connections)
          if (connection.running && !connection.busy && now - connection.usedAt > this.#options.idleMs)
            void connection.rest();
    }
  }

  #drop(projectId: string, project: ProjectServers): void {
    this.#projects.delete(projectId);
    for (const connection of project.connections.values()) void connection.close();
  }
}

/** Returns the hash that identifies an agreement. The same configuration in another workspace is another program. */
function keyOf(projectId: string, server: NamedServer): string {
  return sha256Hex(`${projectId}\n${server.hash}`);
}

function sameTarget(a: NamedServer, b: NamedServer): boolean {
  const text = ({ target }: NamedServer) => JSON.stringify(target);
  return a.from === b.from && text(a) === text(b);
}

/** Returns the tools of the connections, as many as fit. */
function offerOf(connections: readonly Connection[]): Tool[] {
  const tools: Tool[] = [];
  let chars = 0;
  for (const tool of connections.flatMap(mcpTools)) {
    chars += tool.description.length + JSON.stringify(tool.inputSchema).length;
    if (chars <= maxOfferChars) tools.push(tool);
  }
  const sources = connections.filter((connection) => connection.hasResources);
  return sources.length > 0 ? [...tools, resourceTool(sources)] : tools;
}

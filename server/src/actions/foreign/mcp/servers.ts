import { createHash } from 'node:crypto';
import type { McpStatus } from '@devlm/protocol/views.ts';
import type { Workspace } from '../../../workspace/workspace.ts';
import type { Tool } from '../../tool.ts';
import { Agreements } from './agreements.ts';
import { type NamedServer, readServers } from './config.ts';
import { Connection } from './connection.ts';
import type { SessionOptions } from './session.ts';
import { mcpTools, resourceTool, startTool } from './tools.ts';

/** A turn waits so long for servers that are on their way, milliseconds. */
const turnWaitMs = 5_000;
/** Most that is offered to the model of all servers' tools, as JSON. */
const maxOfferChars = 200_000;
/** A project without a window for so long needs its servers no more, milliseconds. */
const graceMs = 15_000;
/** Projects that have servers at the same time. */
const maxProjects = 50;

export interface McpOptions extends SessionOptions {
  readonly dataDir: string;
  /** Programs are started for editors. Off where the server is not the person's own. */
  readonly stdio: boolean;
  /** A server that nobody needed for this long is ended, milliseconds. */
  readonly idleMs: number;
  /** Whether a window of the project is there. */
  readonly attached: (projectId: string) => boolean;
  readonly tell: (projectId: string, status: McpStatus) => void;
}

interface Project {
  readonly connections: Map<string, Connection>;
  /** Servers that cannot be used, as they were told. */
  told: string;
  /** When a window was last seen. */
  seenAt: number;
}

/** The MCP servers of all projects. */
export class McpServers implements AsyncDisposable {
  readonly #options: McpOptions;
  readonly #agreements: Agreements;
  readonly #projects = new Map<string, Project>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: McpOptions) {
    this.#options = options;
    this.#agreements = new Agreements(options.dataDir);
    this.#timer = setInterval(() => this.#sweep(), Math.min(5_000, Math.max(100, options.idleMs / 4))).unref();
  }

  /**
   * The tools of the servers that a window names. Those that do not answer soon are offered in the next
   * turn. In a restricted workspace there are none.
   *
   * @param offer called when further tools are there in the middle of the turn
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
    const told = JSON.stringify(unusable);
    if (told !== project.told) {
      project.told = told;
      for (const { name, why } of unusable)
        this.#options.tell(projectId, { name, state: 'failed', detail: `The MCP server "${name}": ${why}.`, tools: 0 });
    }
    const agreed = servers.filter((server) => server.from === 'user' || this.#agreements.has(keyOf(projectId, server)));
    await this.#keep(projectId, project, agreed);
    const connections = [...project.connections.values()];
    const soon = AbortSignal.any([signal, AbortSignal.timeout(turnWaitMs)]);
    await Promise.all(connections.map((connection) => connection.ready(soon).catch(() => undefined)));
    signal.throwIfAborted();
    const waiting = servers.filter((server) => !agreed.includes(server));
    return [
      ...offerOf(connections),
      ...(waiting.length > 0
        ? [startTool(waiting, (server, during) => this.#agree(projectId, server, offer, during))]
        : []),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    const connections = [...this.#projects.values()].flatMap((project) => [...project.connections.values()]);
    this.#projects.clear();
    await Promise.all(connections.map((connection) => connection.close()));
  }

  /** The person has agreed to a server of the workspace: remembers it, starts it and offers its tools. */
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

  #project(projectId: string): Project {
    const project = this.#projects.get(projectId) ?? { connections: new Map(), told: '[]', seenAt: 0 };
    project.seenAt = performance.now();
    this.#projects.set(projectId, project);
    if (this.#projects.size > maxProjects) {
      const [oldest] = [...this.#projects].toSorted(([, a], [, b]) => a.seenAt - b.seenAt);
      if (oldest) this.#drop(...oldest);
    }
    return project;
  }

  /** Has a connection for each of these servers as it is configured now, and no other. */
  async #keep(projectId: string, project: Project, servers: readonly NamedServer[]): Promise<void> {
    for (const [name, connection] of project.connections) {
      if (servers.some((server) => server.name === name && sameTarget(server, connection.server))) continue;
      project.connections.delete(name);
      void connection.close();
    }
    for (const server of servers) this.#connection(projectId, project, server);
  }

  #connection(projectId: string, project: Project, server: NamedServer): Connection {
    const { version, callMs, tell } = this.#options;
    const connection =
      project.connections.get(server.name) ??
      new Connection({ server, version, callMs, tell: (status) => tell(projectId, status) });
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

  #drop(projectId: string, project: Project): void {
    this.#projects.delete(projectId);
    for (const connection of project.connections.values()) void connection.close();
  }
}

/** What an agreement is remembered by: another workspace with the same words is another program. */
function keyOf(projectId: string, server: NamedServer): string {
  return createHash('sha256').update(`${projectId}\n${server.hash}`).digest('hex');
}

function sameTarget(a: NamedServer, b: NamedServer): boolean {
  const text = ({ target }: NamedServer) => JSON.stringify(target);
  return a.from === b.from && text(a) === text(b);
}

/** Their tools, as many as fit. */
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

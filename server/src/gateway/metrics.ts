import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { InstanceInfo } from '@devlm/protocol/instances.ts';
import type prometheusModule from 'prom-client';
import type { Registry } from 'prom-client';
import { usageReport } from '../backend/usage.ts';
import type { Config } from '../config.ts';
import type { Context } from '../context.ts';
import type { Instances } from '../llm/pool/instances.ts';
import type { Store } from '../storage/ports/store.ts';
import { routeKindOf } from './limits/kinds.ts';

/** Maximum number of models that have their own series. It is limited because a client may name any model. */
const maxModels = 50;

/**
 * Serves metrics for Prometheus at `/metrics` on a separate port. It needs no token, and the metrics contain nothing
 * about a user, a project or an answer. Returns null if `metricsPort` is not set: then nothing is counted.
 * @param main the server whose requests are counted
 */
export async function serveMetrics(config: Config, main: Server, context: Context): Promise<Disposable | null> {
  if (config.metricsPort === undefined) return null;
  const registry = await metricsOf(main, context);
  const server = createServer(async (request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') return void response.writeHead(404).end();
    try {
      const text = await registry.metrics();
      response.writeHead(200, { 'Content-Type': registry.contentType }).end(text);
    } catch (error) {
      context.logger.warn({ err: error }, 'cannot collect metrics');
      response.writeHead(503).end();
    }
  });
  server.maxConnections = 16;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.metricsPort, config.host, resolve);
  });
  return {
    [Symbol.dispose]() {
      server.close();
      server.closeAllConnections();
      registry.clear();
    },
  };
}

/** The metrics library, which an embedded server never loads, and the registries for new metrics. */
interface Metrics {
  readonly prometheus: typeof prometheusModule;
  readonly registers: [Registry];
}

async function metricsOf(main: Server, context: Context): Promise<Registry> {
  const { default: prometheus } = await import('prom-client');
  const registry = new prometheus.Registry();
  prometheus.collectDefaultMetrics({ register: registry });
  const metrics: Metrics = { prometheus, registers: [registry] };
  countRequests(metrics, main);
  countWork(metrics, context);
  countInstances(metrics, context.instances);
  countSpending(metrics, context.store);
  return registry;
}

function countRequests({ prometheus, registers }: Metrics, main: Server): void {
  const requests = new prometheus.Counter({
    name: 'devlm_http_requests_total',
    help: 'Number of requests that have been answered, by kind of route and status',
    labelNames: ['kind', 'status'],
    registers,
  });
  const seconds = new prometheus.Histogram({
    name: 'devlm_http_request_seconds',
    help: 'Time from the first byte of a request to the last byte of its response, except event streams',
    labelNames: ['kind'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300],
    registers,
  });
  const open = new prometheus.Gauge({
    name: 'devlm_http_requests_open',
    help: 'Number of requests in progress, by kind of route',
    labelNames: ['kind'],
    registers,
  });
  main.on('request', (request: IncomingMessage, response) => {
    const kind = routeKindOf(request);
    const end = seconds.startTimer({ kind });
    open.inc({ kind });
    response.once('close', () => {
      open.dec({ kind });
      // 499: the client disconnected before there was a response.
      requests.inc({ kind, status: response.headersSent ? response.statusCode : 499 });
      if (kind !== 'stream') end();
    });
  });
}

function countWork(
  { prometheus, registers }: Metrics,
  { turns, notices, executions }: Pick<Context, 'turns' | 'notices' | 'executions'>,
): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new prometheus.Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('devlm_turns_busy', 'Number of answers in progress', () => turns.busy);
  gauge('devlm_editors', 'Number of connected editor windows', () => notices.watchers);
  gauge('devlm_executions_busy', 'Number of programs that are running or waiting', () => executions.busy);
}

function countInstances({ prometheus, registers }: Metrics, instances: Instances): void {
  const gauge = (name: string, help: string, read: (instance: InstanceInfo) => number) =>
    new prometheus.Gauge({
      name,
      help,
      labelNames: ['instance'],
      registers,
      collect() {
        this.reset();
        for (const instance of instances.list()) this.set({ instance: instance.id }, read(instance));
      },
    });
  gauge('devlm_instance_calls', 'Number of calls in progress at an instance of Claude', ({ calls }) => calls);
  gauge(
    'devlm_instance_up',
    'Whether an instance accepts calls: 1, or 0 while it is being drained or a circuit breaker is open',
    ({ state, health }) => (state === 'ready' && health.every(({ breaker }) => breaker !== 'open') ? 1 : 0),
  );
}

function countSpending({ prometheus, registers }: Metrics, store: Store): void {
  const today = (name: string, help: string, read: (row: Row) => number) =>
    new prometheus.Gauge({
      name,
      help,
      labelNames: ['model'],
      registers,
      async collect() {
        this.reset();
        const asker = { user: '', seesAllUsers: true };
        const { rows } = await usageReport(store, { group: 'model', of: 'all' }, asker);
        for (const row of rows.slice(0, maxModels)) this.set({ model: row.key ?? 'none' }, read(row));
      },
    });
  today('devlm_spend_today_dollars', 'Cost of the calls made today, in US dollars, by model', ({ costUsd }) => costUsd);
  today('devlm_calls_today', 'Number of calls made today, by model', ({ calls }) => calls);
}

type Row = Awaited<ReturnType<typeof usageReport>>['rows'][number];

import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Registry } from 'prom-client';
import { usageReport } from '../backend/usage.ts';
import type { Config } from '../config.ts';
import type { Context } from '../context.ts';
import { kindOf } from './limits/kinds.ts';

/** Models that are told apart; a client may name any. */
const mostModels = 50;

/**
 * What a team server tells Prometheus, at `/metrics` on a port of its own: it wants no token, and says nothing of a
 * person, a project or an answer. Without `metricsPort` nothing is counted.
 * @param main whose requests are counted
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
      context.logger.warn({ err: error }, 'metrics could not be gathered');
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

async function metricsOf(main: Server, { instances, turns, notices, executions, store }: Context): Promise<Registry> {
  // A person's own server never evaluates it.
  const { default: prometheus } = await import('prom-client');
  const { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } = prometheus;
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'devlm_http_requests_total',
    help: 'Requests that were answered, by kind of route and status',
    labelNames: ['kind', 'status'],
    registers,
  });
  const seconds = new Histogram({
    name: 'devlm_http_request_seconds',
    help: 'From the first byte of a request to the last of its answer, without streams of events',
    labelNames: ['kind'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300],
    registers,
  });
  const open = new Gauge({
    name: 'devlm_http_requests_open',
    help: 'Requests under way, by kind of route',
    labelNames: ['kind'],
    registers,
  });
  main.on('request', (request: IncomingMessage, response) => {
    const kind = kindOf(request);
    const end = seconds.startTimer({ kind });
    open.inc({ kind });
    response.once('close', () => {
      open.dec({ kind });
      // 499: the client left before there was an answer.
      requests.inc({ kind, status: response.headersSent ? response.statusCode : 499 });
      if (kind !== 'stream') end();
    });
  });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('devlm_turns_busy', 'Answers under way', () => turns.busy);
  gauge('devlm_editors', 'Windows that are connected', () => notices.watchers);
  gauge('devlm_executions_busy', 'Programs that run or wait', () => executions.busy);
  new Gauge({
    name: 'devlm_instance_calls',
    help: 'Calls under way to an instance of Claude',
    labelNames: ['instance'],
    registers,
    collect() {
      this.reset();
      for (const { id, calls } of instances.list()) this.set({ instance: id }, calls);
    },
  });
  new Gauge({
    name: 'devlm_instance_up',
    help: 'Whether an instance takes calls: 1, or 0 while it is drained or a breaker is open',
    labelNames: ['instance'],
    registers,
    collect() {
      this.reset();
      for (const { id, state, health } of instances.list())
        this.set({ instance: id }, state === 'ready' && health.every(({ breaker }) => breaker !== 'open') ? 1 : 0);
    },
  });
  const today = (name: string, help: string, read: (row: Row) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['model'],
      registers,
      async collect() {
        this.reset();
        const asker = { user: '', everybodys: true };
        const { rows } = await usageReport(store, { group: 'model', of: 'all' }, asker);
        for (const row of rows.slice(0, mostModels)) this.set({ model: row.key ?? 'none' }, read(row));
      },
    });
  today('devlm_spend_today_dollars', 'US dollars of today, by model', ({ costUsd }) => costUsd);
  today('devlm_calls_today', 'Calls of today, by model', ({ calls }) => calls);
  return registry;
}

type Row = Awaited<ReturnType<typeof usageReport>>['rows'][number];

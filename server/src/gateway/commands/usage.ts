import { UsageQuery, type UsageReport } from '@devlm/protocol/budgets.ts';
import { localUser } from '@devlm/protocol/tokens.ts';
import { usageCsv, usageReport } from '../../backend/usage.ts';
import { type Command, type Invocation, readCommandLine, type Terminal, word, yes } from './command-line.ts';
import { callServer, discoveryOf } from './local-server.ts';

const help = `usage: devlm usage [--by day|conversation|model|user|project] [--from DAY] [--to DAY] [--csv]

Accepts --json and --data-dir. DAY has the form 2026-11-23. Default for --from and --to: today.
`;

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { call, values, positionals } = readCommandLine('usage', args, terminal, {
    by: word,
    from: word,
    to: word,
    csv: yes,
  });
  if (positionals.length > 0) throw call.wrong();
  const query = call.check(UsageQuery, { group: values.by, from: values.from, to: values.to });
  const report = await reportOf(call, query);
  if (values.csv && !values.json) return terminal.print(usageCsv(report).text);
  const lines = [...report.rows.map(line), line({ ...report.total, key: 'total', title: null })];
  call.say(report, lines.join(''));
}

function line({ key, title, calls, costUsd, unpricedSteps, ...tokens }: UsageReport['rows'][number]): string {
  const input = tokens.inputTokens + tokens.cacheReadTokens + tokens.cacheWriteTokens;
  const words = [key ?? '-', `$${costUsd.toFixed(4)}`, `${calls} calls`, `${input} in`, `${tokens.outputTokens} out`];
  if (unpricedSteps > 0) words.push(`${unpricedSteps} without a known price`);
  // A title is user input: it must not contain control codes for the terminal.
  if (title) words.push(title.replace(/\p{C}/gu, ' '));
  return `${words.join('  ')}\n`;
}

async function reportOf(call: Invocation, query: UsageQuery): Promise<UsageReport> {
  const server = discoveryOf(call.config.dataDir);
  const { group, from, to } = query;
  if (server)
    return callServer(server, 'usage.report', { query: { group, ...(from ? { from } : {}), ...(to ? { to } : {}) } });
  return call.withStore((store) => usageReport(store, query, { user: localUser, seesAllUsers: true }));
}

/** The command `devlm usage`. */
export const usageCommand: Command = { help, run };

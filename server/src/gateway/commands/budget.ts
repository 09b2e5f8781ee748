import { type Budget, BudgetTerms } from '@devlm/protocol/budgets.ts';
import { Budgets } from '../../llm/budgets.ts';
import { Provider } from '../../llm/provider.ts';
import { createLogger } from '../../logging.ts';
import { type Command, type Invocation, readCommandLine, type Terminal, word } from './command-line.ts';
import { callServer, discoveryOf } from './local-server.ts';

const help = `usage: devlm budget set ID --limit USD [--scope user] [--period day] [--action stop] [--subject NAME]
       devlm budget list
       devlm budget remove ID

All commands accept --json and --data-dir. --scope: user, project, team or turn (one answer). --period: day, week or
month; with --scope turn always turn. --action: warn, ask or stop. --subject: the user or project that the budget
applies to; default: each of them.
`;

type Api = Pick<Budgets, 'list' | 'set' | 'remove'>;

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { call, values, positionals } = readCommandLine('budget', args, terminal, {
    limit: word,
    scope: word,
    subject: word,
    period: word,
    action: word,
  });
  const [command, id, ...rest] = positionals;
  const show = (budgets: readonly Budget[], value: unknown) => call.say(value, budgets.map(line).join(''));
  if (rest.length > 0 || (command === 'list') !== (id === undefined)) throw call.wrong();
  const name = id ?? '';
  switch (command) {
    case 'set': {
      const { scope = 'user', subject, action = 'stop', period = scope === 'turn' ? 'turn' : 'day' } = values;
      const limitUsd = Number(values.limit);
      const terms = call.check(BudgetTerms, { scope, subject, period, limitUsd, action });
      const budget = await withApi(call, (api) => api.set(name, terms));
      return show([budget], budget);
    }
    case 'list': {
      const items = await withApi(call, (api) => api.list());
      return show(items, items);
    }
    case 'remove': {
      const budget = await withApi(call, (api) => api.remove(name));
      return show([budget], budget);
    }
  }
  throw call.wrong();
}

function line({ id, scope, subject, period, limitUsd, action }: Budget): string {
  return `${[id, action, `$${limitUsd}`, period, scope, subject ?? ''].join('  ').trimEnd()}\n`;
}

async function withApi<T>(call: Invocation, work: (api: Api) => Promise<T>): Promise<T> {
  const server = discoveryOf(call.config.dataDir);
  if (server)
    return work({
      list: async () => (await callServer(server, 'budgets.list')).items,
      set: (id, body) => callServer(server, 'budgets.set', { id, body }),
      remove: (id) => callServer(server, 'budgets.remove', { id }),
    });
  return call.withStore(async (store) => {
    using budgets = new Budgets(store, new Provider(call.config), createLogger({ level: 'silent', file: undefined }));
    return await work({
      list: () => budgets.list(),
      set: (id, terms) => budgets.set(id, terms),
      remove: (id) => budgets.remove(id),
    });
  });
}

/** The command `devlm budget`. */
export const budgetCommand: Command = { help, run };

import type { RouteChecked, RouteName } from '@devlm/protocol/routes.ts';
import { localUser } from '@devlm/protocol/tokens.ts';
import * as z from 'zod';
import type { Executions } from '../../backend/executions.ts';
import type { Store } from '../../storage/ports/store.ts';
import type { Editors } from '../../workspace/editors.ts';
import { httpProblem } from '../problems.ts';
import type { Identity } from './tokens.ts';

/** What of a request names something that belongs to somebody. */
const Named = z.object({
  conversationId: z.string().optional(),
  executionId: z.string().optional(),
  projectId: z.string().nullish(),
  requestId: z.string().optional(),
});
const Request = z.object({
  params: Named.optional(),
  query: Named.omit({ projectId: true }).optional(),
  body: z.object({ projectId: Named.shape.projectId, origin: Named.nullish() }).optional(),
});

/** Routes by which a project becomes the user's, unless it is somebody's already. */
const claiming: ReadonlySet<RouteName> = new Set(['conversations.create', 'editor.attach', 'workspace.create']);
/** What only the program may do that started this server, or has its secret. */
const startersOnly: ReadonlySet<RouteName> = new Set(['server.credential', 'server.shutdown']);

/**
 * Refuses what belongs to somebody else, as if it were not there: in one place, by the names that routes give to
 * ids, before any handler sees them. What nobody has counts as `local`'s, whose handlers say best what is missing.
 */
export class Ownership {
  readonly #store: Store;
  readonly #executions: Pick<Executions, 'ownerOf'>;
  readonly #editors: Pick<Editors, 'projectOf'>;

  constructor({
    store,
    executions,
    editors,
  }: {
    store: Store;
    executions: Pick<Executions, 'ownerOf'>;
    editors: Pick<Editors, 'projectOf'>;
  }) {
    this.#store = store;
    this.#executions = executions;
    this.#editors = editors;
  }

  /** @throws ProblemError `not_found`, `forbidden_scope` */
  async check<N extends RouteName>(name: N, input: RouteChecked<N>, { user, tokenId }: Identity): Promise<void> {
    if (tokenId !== null && startersOnly.has(name))
      throw httpProblem('forbidden_scope', 'Only the editor that started this server may do this.');
    const { params, query, body } = Request.parse(input);
    const own = (what: string, owner: string | null) => {
      if ((owner ?? localUser) !== user) throw httpProblem('not_found', `There is no such ${what}.`);
    };
    for (const named of [params, query, body?.origin]) {
      if (named?.conversationId !== undefined)
        own('conversation', await this.#store.owners.ownerOf('conversation', named.conversationId));
      if (named?.executionId !== undefined) own('run', await this.#executions.ownerOf(named.executionId));
    }
    if (params?.requestId !== undefined) {
      const projectId = this.#editors.projectOf(params.requestId);
      own('request', projectId && (await this.#store.owners.ownerOf('project', projectId)));
    }
    const projectId = params?.projectId ?? body?.projectId ?? null;
    if (projectId === null) return;
    const owner = await this.#store.owners.ownerOf('project', projectId);
    own('project', owner ?? (claiming.has(name) ? await this.#store.owners.claimProject(projectId, user) : null));
  }
}

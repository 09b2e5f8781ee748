import type { RouteChecked, RouteName } from '@devlm/protocol/routes.ts';
import { localUser } from '@devlm/protocol/tokens.ts';
import * as z from 'zod';
import type { Executions } from '../../backend/executions.ts';
import type { Store } from '../../storage/ports/store.ts';
import type { Editors } from '../../workspace/editors.ts';
import { httpProblem } from '../problems.ts';
import type { Identity } from './tokens.ts';

/** Ids in a request that identify something with an owner. */
const Named = z.object({
  conversationId: z.string().optional(),
  executionId: z.string().optional(),
  projectId: z.string().nullish(),
  requestId: z.string().optional(),
});
/** The parts of a validated request that can contain such ids. */
const RequestIds = z.object({
  params: Named.optional(),
  query: Named.omit({ projectId: true }).optional(),
  body: z.object({ projectId: Named.shape.projectId, origin: Named.nullish() }).optional(),
});

/** Routes that make the user the owner of a project that has none. */
const claimingRoutes: ReadonlySet<RouteName> = new Set(['conversations.create', 'editor.attach', 'workspace.create']);
/** Routes that require the launch secret, which only the program that started this server knows. */
const starterOnlyRoutes: ReadonlySet<RouteName> = new Set(['server.credential', 'server.shutdown']);

/**
 * Refuses requests for what belongs to another user, as if it did not exist. It finds the ids by the names that routes
 * give them, before any handler runs. Anything without an owner counts as owned by `local`. For that user, the handlers
 * report what does not exist.
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

  /** Checks that everything a request names belongs to the user. @throws ProblemError `not_found`, `forbidden_scope` */
  async check<N extends RouteName>(name: N, input: RouteChecked<N>, { user, tokenId }: Identity): Promise<void> {
    if (tokenId !== null && starterOnlyRoutes.has(name))
      throw httpProblem('forbidden_scope', 'Only the editor that started this server is allowed to do this.');
    const { params, query, body } = RequestIds.parse(input);
    const assertOwner = (what: string, owner: string | null) => {
      if ((owner ?? localUser) !== user) throw httpProblem('not_found', `The ${what} does not exist.`);
    };
    for (const named of [params, query, body?.origin]) {
      if (named?.conversationId !== undefined)
        assertOwner('conversation', await this.#store.owners.ownerOf('conversation', named.conversationId));
      if (named?.executionId !== undefined) assertOwner('run', await this.#executions.ownerOf(named.executionId));
    }
    if (params?.requestId !== undefined) {
      const projectId = this.#editors.projectOf(params.requestId);
      assertOwner('request', projectId && (await this.#store.owners.ownerOf('project', projectId)));
    }
    const projectId = params?.projectId ?? body?.projectId ?? null;
    if (projectId === null) return;
    const owner = await this.#store.owners.ownerOf('project', projectId);
    assertOwner(
      'project',
      owner ?? (claimingRoutes.has(name) ? await this.#store.owners.claimProject(projectId, user) : null),
    );
  }
}

import type { ExecutionRequest } from '@devlm/protocol/execution.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Memento } from '../ports.ts';
import type { Problems } from '../problems.ts';

/** Dependencies of `Consent`. */
export interface ConsentOptions {
  /** State of this machine, shared by all windows. */
  readonly memento: Memento;
  readonly isTrusted: () => boolean;
  /** Asks the user whether programs may run although their network cannot be blocked. */
  readonly ask: () => Promise<boolean>;
  readonly problems: Problems;
}

const key = 'sandbox.openNetwork';

/**
 * Decides whether programs may run: never in an untrusted folder, and with an open network only after the user
 * agreed.
 */
export class Consent {
  readonly #options: ConsentOptions;
  #asking: Promise<boolean> | undefined;

  constructor(options: ConsentOptions) {
    this.#options = options;
  }

  /**
   * Runs a program through `run`. If the server reports that it cannot block the network, the user is asked, and the
   * program runs again with the answer in its request. A team server never reports this, so it never receives an
   * answer. Concurrent runs share a single question.
   *
   * @throws ProblemError `workspace_untrusted`, `network_refused`, or what `run` throws
   */
  async around(request: ExecutionRequest, run: (request: ExecutionRequest) => Promise<void>): Promise<void> {
    const { problems, isTrusted } = this.#options;
    if (!isTrusted()) throw problems.untrusted();
    try {
      await run({ ...request, acceptOpenNetwork: false });
    } catch (error) {
      if (!(error instanceof ProblemError) || error.problem.code !== 'network_not_cut') throw error;
      if (!(await this.#ask())) throw problems.networkRefused(error);
      await run({ ...request, acceptOpenNetwork: true });
    }
  }

  async #ask(): Promise<boolean> {
    const { memento, ask } = this.#options;
    // The question may have been answered for another run in the meantime.
    if (memento.get(key) === true) return true;
    this.#asking ??= ask()
      .then(async (accepted) => {
        if (accepted) await memento.update(key, true);
        return accepted;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return await this.#asking;
  }
}

import type { ExecutionRequest } from '@devlm/protocol/execution.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Memento } from '../chat/saved-view.ts';
import type { Problems } from '../problems.ts';

export interface ConsentOptions {
  /** Kept for all windows of this machine. */
  readonly memento: Memento;
  readonly isTrusted: () => boolean;
  /** Asks whether programs may run although their network cannot be cut. */
  readonly ask: () => Promise<boolean>;
  readonly problems: Problems;
}

const key = 'sandbox.openNetwork';

/** Whether programs may run here: never in an untrusted folder, and with an open network only after a person agreed. */
export class Consent {
  readonly #options: ConsentOptions;
  #asking: Promise<boolean> | undefined;

  constructor(options: ConsentOptions) {
    this.#options = options;
  }

  /**
   * Runs a program by `run`. When the server reports that it cannot cut the network, the user is asked,
   * and the program runs again with the answer in its request. A server for several people never reports
   * this, so that no answer is sent to it. Several runs that wait for the answer share one question.
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
    // Another run may have been answered meanwhile.
    if (memento.get(key) === true) return true;
    this.#asking ??= ask()
      .then(async (yes) => {
        if (yes) await memento.update(key, true);
        return yes;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return await this.#asking;
  }
}

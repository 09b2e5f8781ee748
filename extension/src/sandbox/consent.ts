import type { ExecutionRequest } from '@devlm/protocol/execution.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import type { Memento } from '../chat/saved-view.ts';
import type { Problems } from '../server/problems.ts';

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
   * Runs a program by `run`, which gets the request with this machine's answer in it, and asks when
   * the server says that it is due. Several runs that wait for the answer share one question.
   *
   * @throws ProblemError `workspace_untrusted`, `network_refused`, or what `run` throws
   */
  async around(request: ExecutionRequest, run: (request: ExecutionRequest) => Promise<void>): Promise<void> {
    const { memento, problems, isTrusted } = this.#options;
    if (!isTrusted()) throw problems.untrusted();
    const agreed = memento.get(key) === true;
    try {
      await run({ ...request, acceptOpenNetwork: agreed });
    } catch (error) {
      const due = error instanceof ProblemError && error.problem.code === 'network_not_cut' && !agreed;
      if (!due) throw error;
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

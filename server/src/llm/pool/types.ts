/* Types that the pool and its callers share. */

/** Priority of a call: `person` if a user waits for the answer, `background` if nobody does. */
export type Priority = 'person' | 'background';

/** The caller of a model, as the pool sees it. */
export interface Caller {
  /** Conversation that the call belongs to. */
  readonly conversationId?: string;
  /** Key by which callers take turns. Default: the conversation's id. */
  readonly user?: string;
  /** Default: `person`. */
  readonly priority?: Priority;
}

/** A request for a place at an instance. */
export interface LeaseRequest {
  /** Model id or alias; null if any model will do. */
  readonly model: string | null;
  /** Id of the conversation: calls with the same id share the beginning of their prompts. */
  readonly conversation?: string | undefined;
  /** Key by which waiting callers take turns. */
  readonly caller: string;
  readonly priority: Priority;
  /** Approximate size of the prompt, in bytes. */
  readonly promptBytes: number;
  /** Whether the call counts tokens, which not every provider supports. */
  readonly counting?: boolean;
}

/**
 * How a call failed, as far as its instance is concerned.
 * - `limited`: the account has reached a rate limit
 * - `overloaded`, `failed`, `unreachable`, `stalled`, `cut`: the instance is unhealthy
 * - `refused`: the instance does not accept the key or the model, which time alone does not fix
 */
export type Failure = 'limited' | 'overloaded' | 'failed' | 'unreachable' | 'stalled' | 'cut' | 'refused';

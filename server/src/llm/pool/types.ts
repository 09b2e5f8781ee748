/*
 * What the pool and its callers say to each other about a call.
 */

/** `person`: somebody waits for the answer. `background`: nobody does. */
export type Priority = 'person' | 'background';

/** Whose call it is. */
export interface Caller {
  readonly conversationId?: string;
  /** Default: the conversation stands for its own. */
  readonly user?: string;
  /** Default: a person waits. */
  readonly priority?: Priority;
}

/** What a call wants of the pool. */
export interface Wanted {
  /** A model's id or an alias; null: any will do. */
  readonly model: string | null;
  /** What has its beginning in common with the calls before under the same name. */
  readonly conversation?: string | undefined;
  /** Who calls: where calls wait, callers take turns. */
  readonly caller: string;
  readonly priority: Priority;
  /** About how much has to be read. */
  readonly promptBytes: number;
  /** True: its tokens are to be counted, which not every provider does. */
  readonly counting?: boolean;
}

/**
 * How a call failed, as far as its instance is concerned.
 * - `limited`: the account has reached a rate limit
 * - `overloaded`, `failed`, `unreachable`, `stalled`, `cut`: the instance is not well
 * - `refused`: it does not know the key or the model, which time alone does not mend
 */
export type Failure = 'limited' | 'overloaded' | 'failed' | 'unreachable' | 'stalled' | 'cut' | 'refused';

import type { UserInfo } from '@devlm/protocol/users.ts';

/** The users of a team server. Every method is atomic. */
export interface UserStore {
  /**
   * Adds a user.
   * @throws ProblemError `conflict` if the name is taken
   */
  add(user: UserInfo): Promise<void>;
  /** Returns all users ordered by name, disabled ones included. */
  list(): Promise<UserInfo[]>;
  /** Disables a user. Returns null if there is no such user; disabling again keeps the time of the first call. */
  disable(id: string): Promise<UserInfo | null>;
}

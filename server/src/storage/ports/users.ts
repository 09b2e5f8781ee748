import type { UserInfo } from '@devlm/protocol/users.ts';

/** The users of a server for several people. Every method is atomic. */
export interface UserStore {
  /** @throws ProblemError `conflict` when the name is taken */
  add(user: UserInfo): Promise<void>;
  /** Returns all users ordered by name, disabled ones included. */
  list(): Promise<UserInfo[]>;
  /** Disables a user; the first time counts. Returns null when there is no such user. */
  disable(id: string): Promise<UserInfo | null>;
}

/** A kind of thing that belongs to one user. */
export type OwnedKind = 'conversation' | 'execution' | 'project';

/** The users who own conversations, runs and projects. Every method is atomic. */
export interface OwnerStore {
  /** Returns the owner's user id, or null if the thing does not exist. A deleted conversation keeps its owner. */
  ownerOf(what: OwnedKind, id: string): Promise<string | null>;
  /** Gives a project to the first user who claims it. Returns the owner's user id. */
  claimProject(id: string, userId: string): Promise<string>;
}

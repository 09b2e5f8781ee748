import * as z from 'zod';
import { parseJson } from '../json.ts';
import type { Memento } from '../ports.ts';

/** A remote server and the user's account on it. */
const Profile = z.object({
  origin: z.string().max(600),
  /** User id, from the token. */
  user: z.string().max(200),
  /** Null if the editor no longer has it. */
  token: z.string().max(4096).nullable(),
});
/** A remote server and the user's account on it. */
export type Profile = z.infer<typeof Profile>;

const maxProfiles = 20;
const Saved = z.object({
  /** Origin of the active server. Null: the local one. */
  active: z.string().nullable(),
  profiles: z.array(Profile).max(maxProfiles),
});
type Saved = z.infer<typeof Saved>;

/** The part of `vscode.SecretStorage` that profiles use. */
export interface Secrets {
  get(name: string): PromiseLike<string | undefined>;
  store(name: string, value: string): PromiseLike<void>;
}

/**
 * Name of the secret that holds all profiles. Windows are only notified of changes to secrets, not to other stored
 * data.
 */
export const profilesSecret = 'devlm.servers';
/** Key of a copy without tokens: some editors in a browser keep secrets only as long as their window. */
const mementoKey = 'servers';

/** The servers that the user knows, and the one that all windows use. A workspace cannot influence them. */
export class Profiles {
  readonly #secrets: Secrets;
  readonly #memento: Memento;
  #changes: Promise<void> = Promise.resolve();

  /** @param memento global state of this machine, shared by all windows */
  constructor(secrets: Secrets, memento: Memento) {
    this.#secrets = secrets;
    this.#memento = memento;
  }

  /** Returns the active profile, or null for the local server. */
  async active(): Promise<Profile | null> {
    const { active, profiles } = await this.#read();
    return profiles.find(({ origin }) => origin === active) ?? null;
  }

  /** Returns all profiles, sorted by origin. */
  async list(): Promise<Profile[]> {
    return (await this.#read()).profiles.toSorted((a, b) => (a.origin < b.origin ? -1 : 1));
  }

  /** Stores a profile, replacing one with the same origin, and activates it. */
  async use(origin: string, token: string | null): Promise<void> {
    await this.#change(({ profiles }) => {
      const existing = profiles.find((profile) => profile.origin === origin);
      const otherProfiles = profiles.filter((profile) => profile !== existing).slice(1 - maxProfiles);
      const user = (token === null ? existing?.user : userOf(token)) ?? '';
      return { active: origin, profiles: [...otherProfiles, { origin, user, token }] };
    });
  }

  /** Activates the local server. */
  async useLocal(): Promise<void> {
    await this.#change((saved) => ({ ...saved, active: null }));
  }

  /** Removes a profile. If it was active, the local server becomes active. */
  async forget(origin: string): Promise<void> {
    await this.#change(({ active, profiles }) => ({
      active: active === origin ? null : active,
      profiles: profiles.filter((profile) => profile.origin !== origin),
    }));
  }

  /** Applies a change after the previous ones. Later reads see it. */
  async #change(make: (saved: Saved) => Saved): Promise<void> {
    const done = this.#changes.then(async () => this.#write(make(await this.#stored())));
    this.#changes = done.catch(() => undefined);
    await done;
  }

  async #read(): Promise<Saved> {
    await this.#changes;
    return await this.#stored();
  }

  async #stored(): Promise<Saved> {
    const secret = await this.#secrets.get(profilesSecret);
    const saved = Saved.safeParse(secret === undefined ? this.#memento.get(mementoKey) : parseJson(secret));
    return saved.data ?? { active: null, profiles: [] };
  }

  async #write(saved: Saved): Promise<void> {
    const profiles = saved.profiles.map((profile) => ({ ...profile, token: null }));
    await this.#memento.update(mementoKey, { ...saved, profiles });
    await this.#secrets.store(profilesSecret, JSON.stringify(saved));
  }
}

/** Returns a key of the account, by which stored views and projects are kept apart. */
export function accountOf(profile: Profile | null): string {
  return profile ? ` ${profile.origin} ${profile.user}` : '';
}

/** Returns the user of a token, unverified: the server verifies it. */
function userOf(token: string): string | undefined {
  const claims = z.object({ sub: z.string().max(200) });
  return claims.safeParse(parseJson(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())).data?.sub;
}

import * as z from 'zod';

/** A server that others run, and who this person is there. */
const Profile = z.object({
  origin: z.string().max(600),
  /** Id, from the token. */
  user: z.string().max(200),
  /** Null: the editor has forgotten it. */
  token: z.string().max(4096).nullable(),
});
export type Profile = z.infer<typeof Profile>;

const maxProfiles = 20;
const Saved = z.object({
  /** Origin; null: this machine's own server. */
  active: z.string().nullable(),
  profiles: z.array(Profile).max(maxProfiles),
});
type Saved = z.infer<typeof Saved>;

/** The part of `vscode.SecretStorage` that is used. */
export interface Secrets {
  get(name: string): PromiseLike<string | undefined>;
  store(name: string, value: string): PromiseLike<void>;
}

/** The part of `vscode.Memento` that is used. */
export interface Memory {
  get(key: string): unknown;
  update(key: string, value: unknown): PromiseLike<void>;
}

/** One secret for all of it: windows hear of a change of secrets, and of nothing else that is stored. */
export const profilesSecret = 'devlm.servers';
/** The same without the tokens: some editors in a browser keep secrets no longer than their window. */
const memoryKey = 'servers';

/** The servers that this person knows, and which one all windows use. Nothing of a workspace has a say in it. */
export class Profiles {
  readonly #secrets: Secrets;
  readonly #memory: Memory;
  #changes: Promise<void> = Promise.resolve();

  /** @param memory of this machine, for all windows */
  constructor(secrets: Secrets, memory: Memory) {
    this.#secrets = secrets;
    this.#memory = memory;
  }

  /** Null: this machine's own server. */
  async active(): Promise<Profile | null> {
    const { active, profiles } = await this.#read();
    return profiles.find(({ origin }) => origin === active) ?? null;
  }

  /** By origin. */
  async list(): Promise<Profile[]> {
    return (await this.#read()).profiles.toSorted((a, b) => (a.origin < b.origin ? -1 : 1));
  }

  /** Remembers it, in the place of one with the same origin, and makes it the one that is used. */
  async use(origin: string, token: string | null): Promise<void> {
    await this.#change(({ profiles }) => {
      const known = profiles.find((profile) => profile.origin === origin);
      const others = profiles.filter((profile) => profile !== known).slice(1 - maxProfiles);
      const user = (token === null ? known?.user : userOf(token)) ?? '';
      return { active: origin, profiles: [...others, { origin, user, token }] };
    });
  }

  async useLocal(): Promise<void> {
    await this.#change((saved) => ({ ...saved, active: null }));
  }

  async forget(origin: string): Promise<void> {
    await this.#change(({ active, profiles }) => ({
      active: active === origin ? null : active,
      profiles: profiles.filter((profile) => profile.origin !== origin),
    }));
  }

  /** Changes follow one another, and what is read after one has it. */
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
    const saved = Saved.safeParse(secret === undefined ? this.#memory.get(memoryKey) : parseJson(secret));
    return saved.data ?? { active: null, profiles: [] };
  }

  async #write(saved: Saved): Promise<void> {
    const profiles = saved.profiles.map((profile) => ({ ...profile, token: null }));
    await this.#memory.update(memoryKey, { ...saved, profiles });
    await this.#secrets.store(profilesSecret, JSON.stringify(saved));
  }
}

/** What is kept for one account is not shown in another: chats and projects belong to who has them. */
export function accountOf(profile: Profile | null): string {
  return profile ? ` ${profile.origin} ${profile.user}` : '';
}

/** Whose a token is. It is for the server to check. */
function userOf(token: string): string | undefined {
  const claims = z.object({ sub: z.string().max(200) });
  return claims.safeParse(parseJson(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())).data?.sub;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Names that stand for models, the preferred one first. */
export type Aliases = Readonly<Record<string, readonly string[]>>;

/** Default aliases, as of October 2026. The configuration key `aliases` overrides and extends them. */
export const defaultAliases: Aliases = {
  fast: ['claude-haiku-4-5', 'claude-sonnet-5-5'],
  smart: ['claude-opus-5-5', 'claude-sonnet-5-5'],
};

/** Returns the models that a name stands for, in order of preference. A name that is not an alias stands for itself. */
export function modelsOf(name: string | null, aliases: Aliases): readonly (string | null)[] {
  const found = name !== null && Object.hasOwn(aliases, name) ? aliases[name] : undefined;
  return found && found.length > 0 ? found : [name];
}

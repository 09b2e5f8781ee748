/** Levels of objects and lists in a tool's input. What is deeper may be more than can be written out again. */
const inputLevels = 64;

/** Returns a tool's input from its JSON; undefined when it is not a JSON object, or nested too deeply. An empty text is `{}`. */
export function parseInput(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text || '{}');
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !isShallow(value)) return undefined;
    return { ...value };
  } catch {
    return undefined;
  }
}

function isShallow(value: unknown, levels = inputLevels): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1));
}

/** Returns a tool's input as it can be sent back: half characters are not valid JSON to the API. */
export function inputForModel(text: string): Record<string, unknown> {
  const input = parseInput(text) ?? {};
  if (text.isWellFormed() && !/\\ud[89a-f]/i.test(text)) return input;
  const whole = JSON.stringify(input).replace(/\\(?:u[0-9a-f]{4}|.)/g, (code) =>
    /^\\ud[89a-f]/.test(code) ? '\ufffd' : code,
  );
  return parseInput(whole) ?? {};
}

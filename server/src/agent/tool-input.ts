/** Maximum depth of objects and lists in a tool's input. A deeper input could perhaps not be serialized again. */
const maxDepth = 64;

/**
 * Returns a tool's input from its JSON, or undefined if it is not a JSON object or nested too deeply. An empty text
 * stands for `{}`.
 */
export function parseInput(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text || '{}');
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !isShallow(value)) return undefined;
    return { ...value };
  } catch {
    return undefined;
  }
}

function isShallow(value: unknown, levels = maxDepth): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1));
}

/**
 * Returns a tool's input as it can be sent back. Lone surrogates are replaced, because the API rejects them as invalid
 * JSON.
 */
export function inputForModel(text: string): Record<string, unknown> {
  const input = parseInput(text) ?? {};
  if (text.isWellFormed() && !/\\ud[89a-f]/i.test(text)) return input;
  const whole = JSON.stringify(input).replace(/\\(?:u[0-9a-f]{4}|.)/g, (code) =>
    /^\\ud[89a-f]/.test(code) ? '\ufffd' : code,
  );
  return parseInput(whole) ?? {};
}

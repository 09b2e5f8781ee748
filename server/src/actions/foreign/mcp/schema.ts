import { Ajv2020 } from 'ajv/dist/2020.js';

/** Longest schema of one tool, as JSON. */
const maxSchemaChars = 16_000;
const propertyName = /^[a-zA-Z0-9_.-]{1,64}$/;

/** Checks against the schema of schemas alone: nothing of a foreign schema is compiled or run. */
const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false });

/**
 * A foreign tool's input schema as the Messages API takes it: one that it refuses would make every turn
 * fail.
 *
 * @returns what is wrong with it, where it cannot be used
 */
export function inputSchemaOf(schema: unknown): Readonly<Record<string, unknown>> | string {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return 'its schema is no object';
  // The API takes no alternatives at the top. The server checks its input itself.
  const { $schema, $id, oneOf, anyOf, allOf, ...kept }: Record<string, unknown> = { ...schema };
  if (kept['type'] !== 'object') return 'its schema is not of an object';
  try {
    if (JSON.stringify(kept).length > maxSchemaChars) return 'its schema is too large';
    if (ajv.validateSchema(kept) !== true) return 'its schema is no JSON Schema';
  } catch {
    return 'its schema is no JSON Schema';
  }
  const names = Object.keys(Object(kept['properties']));
  if (!names.every((name) => propertyName.test(name))) return 'its schema has a property with an odd name';
  return kept;
}

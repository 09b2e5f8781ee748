import { Ajv2020 } from 'ajv/dist/2020.js';

/** Maximum length of the schema of one tool, as JSON, in UTF-16 code units. */
const maxSchemaChars = 16_000;
const propertyName = /^[a-zA-Z0-9_.-]{1,64}$/;

/** Validates schemas against the meta-schema only: no foreign schema is compiled or run. */
const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false });

/**
 * Returns a foreign tool's input schema in a form that the Messages API accepts. A schema that the API refuses would
 * make every turn fail.
 *
 * @returns the reason, if the schema cannot be used
 */
export function inputSchemaOf(schema: unknown): Readonly<Record<string, unknown>> | string {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return 'its schema is not an object';
  // The API accepts no alternatives at the top level. The server checks its input itself.
  const { $schema, $id, oneOf, anyOf, allOf, ...inputSchema }: Record<string, unknown> = { ...schema };
  if (inputSchema['type'] !== 'object') return 'its schema does not describe an object';
  try {
    if (JSON.stringify(inputSchema).length > maxSchemaChars) return 'its schema is too large';
    if (ajv.validateSchema(inputSchema) !== true) return 'its schema is not a valid JSON Schema';
  } catch {
    return 'its schema is not a valid JSON Schema';
  }
  const names = Object.keys(Object(inputSchema['properties']));
  if (!names.every((name) => propertyName.test(name))) return 'its schema has a property with an unsupported name';
  return inputSchema;
}

import * as z from 'zod';

/** A bad input of a tool, and what the model has to be told about it. */
export interface BadInput {
  readonly what: string;
  readonly json: string;
  readonly says: RegExp | string;
}

/** The part of JSON Schema that the tools use. */
interface Schema {
  readonly type?: string | undefined;
  readonly properties?: Record<string, Schema> | undefined;
  readonly required?: string[] | undefined;
  readonly items?: Schema | undefined;
  readonly enum?: unknown[] | undefined;
  readonly minLength?: number | undefined;
  readonly maxLength?: number | undefined;
  readonly minItems?: number | undefined;
  readonly maxItems?: number | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
}
/** Schema of the supported part of JSON Schema. */
export const Schema: z.ZodType<Schema> = z.lazy(() =>
  z.object({
    type: z.string().optional(),
    properties: z.record(z.string(), Schema).optional(),
    required: z.array(z.string()).optional(),
    items: Schema.optional(),
    enum: z.array(z.unknown()).optional(),
    minLength: z.number().optional(),
    maxLength: z.number().optional(),
    minItems: z.number().optional(),
    maxItems: z.number().optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
  }),
);

/** Maximum length of a text that a model can write in one answer, in UTF-16 code units. */
const longest = 250_000;
const ofEachType: readonly (readonly [string, unknown])[] = [
  ['null', null],
  ['boolean', true],
  ['number', 7.5],
  ['string', 'seven'],
  ['array', [[]]],
  ['object', { a: 1 }],
];

/**
 * Returns inputs that each violate a schema in one way: wrong types, missing and unknown fields, values that are too
 * small, too large or too long. Each error has to name the place.
 * @param valid an input that fits the schema
 */
export function misfits(schema: Schema, valid: Readonly<Record<string, unknown>>): BadInput[] {
  const rows: BadInput[] = [];
  const add = (what: string, input: object, path: string) => {
    const json = JSON.stringify(input);
    if (json.length < longest) rows.push({ what, json, says: path });
  };
  const visit = (
    { properties = {}, required = [] }: Schema,
    value: Readonly<Record<string, unknown>>,
    where: string,
    whole: (changed: object) => object,
  ) => {
    const place = (name: string) => (where === '' ? name : `${where}.${name}`);
    add(`an unknown field in ${where || 'the input'}`, whole({ ...value, zzz: 1 }), 'zzz');
    for (const name of required) {
      const { [name]: _, ...rest } = value;
      // Fields with a default are required only in an output.
      if (name in value) add(`no ${place(name)}`, whole(rest), place(name));
    }
    for (const [name, field] of Object.entries(properties)) {
      const put = (changed: unknown) => whole({ ...value, [name]: changed });
      for (const [type, wrong] of ofEachType) {
        const fits = field.type === type || (field.type === 'integer' && type === 'number' && Number.isInteger(wrong));
        if (!fits) add(`${place(name)}: ${type}`, put(wrong), place(name));
      }
      for (const [what, wrong] of beyond(field)) add(`${place(name)}: ${what}`, put(wrong), place(name));
      const items = field.items;
      if (field.type !== 'array' || !items) continue;
      for (const [type, wrong] of ofEachType)
        if (items.type !== type) add(`${place(name)}.0: ${type}`, put([wrong]), `${place(name)}.0`);
      for (const [what, wrong] of beyond(items)) add(`${place(name)}.0: ${what}`, put([wrong]), `${place(name)}.0`);
      const inner = z.array(z.record(z.string(), z.unknown())).safeParse(value[name]).data?.[0];
      if (items.type === 'object' && inner) visit(items, inner, `${place(name)}.0`, (changed) => put([changed]));
    }
  };
  visit(schema, valid, '', (changed) => changed);
  return rows;
}

/** Returns values of the right type that a schema does not accept. */
function beyond(schema: Schema): (readonly [string, unknown])[] {
  const { minLength = 0, maxLength, minItems = 0, maxItems, minimum, maximum } = schema;
  const out: [string, unknown][] = [];
  if (schema.enum) out.push(['another word', 'another word'], ['', '']);
  if (minLength > 0) out.push(['empty', '']);
  if (maxLength !== undefined) out.push(['too long', 'x'.repeat(maxLength + 1)]);
  if (minItems > 0) out.push(['empty', []]);
  if (maxItems !== undefined) out.push(['too many', Array.from({ length: maxItems + 1 }, () => 'x')]);
  if (schema.type === 'integer') out.push(['a fraction', 1.5], ['endless', 1e300]);
  if (minimum !== undefined) out.push(['too small', minimum - 1], ['negative', -1]);
  if (maximum !== undefined) out.push(['too large', maximum + 1]);
  return out;
}

/** Texts that are not a JSON object, such as a truncated input. */
export function noObjects(valid: object): BadInput[] {
  const json = JSON.stringify(valid);
  const says = 'not a JSON object';
  return [
    { what: 'cut', json: json.slice(0, -1), says },
    { what: 'cut in a string', json: json.slice(0, Math.max(2, json.lastIndexOf('"'))), says },
    { what: 'twice', json: json + json, says },
    { what: 'single quotes', json: json.replaceAll('"', "'"), says },
    { what: 'a comma too many', json: `${json.slice(0, -1)},}`, says },
    { what: 'a fence', json: `\`\`\`json\n${json}\n\`\`\``, says },
    { what: 'a NUL in it', json: `${json.slice(0, 2)}\0${json.slice(2)}`, says },
    { what: 'NaN', json: '{"path":NaN}', says },
    { what: 'deep and cut', json: `${'{"a":'.repeat(20_000)}1`, says },
    { what: 'deep', json: `${'{"path":'.repeat(20_000)}1${'}'.repeat(20_000)}`, says },
    { what: 'deep lists', json: `{"path":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, says },
    ...['null', 'true', '7', '"text"', '[]', `[${json}]`].map((other) => ({
      what: other.slice(0, 20),
      json: other,
      says,
    })),
  ];
}

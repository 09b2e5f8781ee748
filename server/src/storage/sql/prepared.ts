import { type Compilable, type CompiledQuery, type RawBuilder, sql } from 'kysely';
import type { Db } from './schema.ts';

/*
 * Building and compiling a query takes Kysely several times as long as SQLite needs to run it, and about thirty queries
 * run before the first word of an answer is shown. Those queries are built once (`npm run bench -- first-token`).
 */

/** Placeholders for values, in objects and lists of the same shape as the values. */
export type Placeholders<V> = V extends string | number | Uint8Array | null | undefined
  ? RawBuilder<V>
  : { readonly [K in keyof V]: Placeholders<V[K]> };

type Builders = Pick<Db, 'selectFrom' | 'insertInto' | 'updateTable' | 'deleteFrom' | 'withRecursive'>;

/** Position of a query parameter among the values. */
class ParameterPath {
  readonly path: readonly string[];

  constructor(path: readonly string[]) {
    this.path = path;
  }
}

/** Maximum number of compiled shapes of one query. Further shapes are compiled each time. */
const maxShapes = 20;

/**
 * Prepares a query that is built and compiled once for each store and each shape of its values: which values are defined,
 * and how many items lists have. The values themselves must not influence how the query is built.
 * @returns a function that runs the query with values and returns its rows
 */
export function prepared<V extends object, Row>(
  build: (db: Builders, values: Placeholders<V>) => Compilable<Row>,
): (db: Db, values: V) => Promise<Row[]> {
  /** Compiled queries by shape. The key is an object that a store and its transactions share. */
  const queriesByAdapter = new WeakMap<object, Map<string, CompiledQuery<Row>>>();
  return async (db, values) => {
    const { adapter } = db.getExecutor();
    const queries = queriesByAdapter.get(adapter) ?? new Map<string, CompiledQuery<Row>>();
    queriesByAdapter.set(adapter, queries);
    const shape = shapeOf(values);
    const query = queries.get(shape) ?? build(db, placeholders(values)).compile();
    if (queries.size < maxShapes) queries.set(shape, query);
    const parameters = query.parameters.map((parameter) =>
      parameter instanceof ParameterPath ? valueAt(values, parameter.path) : parameter,
    );
    return (await db.executeQuery<Row>({ ...query, parameters })).rows;
  };
}

function placeholders<V>(values: V): Placeholders<V> {
  // The compiler cannot follow a type that is built leaf by leaf.
  return placeholderAt(values, []) as Placeholders<V>;
}

function placeholderAt(value: unknown, path: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array)
    return sql`${new ParameterPath(path)}`;
  if (Array.isArray(value)) return value.map((item, i) => placeholderAt(item, [...path, String(i)]));
  return Object.fromEntries(definedEntries(value).map(([name, item]) => [name, placeholderAt(item, [...path, name])]));
}

/** Returns the entries whose value is not undefined. */
function definedEntries(values: object): [string, unknown][] {
  return Object.entries(values).filter(([, value]) => value !== undefined);
}

/** Returns a text that is equal for values of the same shape. All items of a list have the same shape. */
function shapeOf(value: unknown): string {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return '';
  if (Array.isArray(value)) return `${value.length}[${shapeOf(value[0])}]`;
  let shape = '';
  for (const [name, item] of definedEntries(value)) shape += `${name}(${shapeOf(item)})`;
  return shape;
}

function valueAt(values: object, path: readonly string[]): unknown {
  let value: unknown = values;
  for (const name of path) value = Reflect.get(Object(value), name);
  return value;
}

import { type Compilable, type CompiledQuery, type RawBuilder, sql } from 'kysely';
import type { Db } from './schema.ts';

/*
 * Building and compiling a query costs Kysely several times what SQLite needs to run it, and some thirty are run before
 * the first word of an answer is shown. Those are built once (`npm run bench -- first-token`).
 */

/** What stands in the query for the values, which are in objects and lists. */
export type Placeholders<V> = V extends string | number | Uint8Array | null | undefined
  ? RawBuilder<V>
  : { readonly [K in keyof V]: Placeholders<V[K]> };

type Builders = Pick<Db, 'selectFrom' | 'insertInto' | 'updateTable' | 'deleteFrom' | 'withRecursive'>;

/** Where among the values is the one that belongs here. */
class Place {
  readonly path: readonly string[];

  constructor(path: readonly string[]) {
    this.path = path;
  }
}

/** Of one query; others are built anew each time. */
const keptShapes = 20;

/**
 * A query that is built and compiled once for each store and each shape of its values (which there are, and how many
 * in lists), and then run with values. What they are decides nothing about it.
 * @returns runs it, and answers its rows
 */
export function prepared<V extends object, Row>(
  build: (db: Builders, values: Placeholders<V>) => Compilable<Row>,
): (db: Db, values: V) => Promise<Row[]> {
  /** By what a store and its transactions share, and the shape. */
  const kept = new WeakMap<object, Map<string, CompiledQuery<Row>>>();
  return async (db, values) => {
    const { adapter } = db.getExecutor();
    const queries = kept.get(adapter) ?? new Map<string, CompiledQuery<Row>>();
    kept.set(adapter, queries);
    const shape = shapeOf(values);
    const query = queries.get(shape) ?? build(db, placeholders(values)).compile();
    if (queries.size < keptShapes) queries.set(shape, query);
    const parameters = query.parameters.map((parameter) =>
      parameter instanceof Place ? valueAt(values, parameter.path) : parameter,
    );
    return (await db.executeQuery<Row>({ ...query, parameters })).rows;
  };
}

function placeholders<V>(values: V): Placeholders<V> {
  // The compiler cannot follow a type that is made leaf by leaf.
  return place(values, []) as Placeholders<V>;
}

function place(value: unknown, path: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return sql`${new Place(path)}`;
  if (Array.isArray(value)) return value.map((item, i) => place(item, [...path, String(i)]));
  return Object.fromEntries(given(value).map(([name, item]) => [name, place(item, [...path, name])]));
}

/** Without what is undefined. */
function given(values: object): [string, unknown][] {
  return Object.entries(values).filter(([, value]) => value !== undefined);
}

/** Items of a list are alike. */
function shapeOf(value: unknown): string {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return '';
  if (Array.isArray(value)) return `${value.length}[${shapeOf(value[0])}]`;
  let shape = '';
  for (const [name, item] of given(value)) shape += `${name}(${shapeOf(item)})`;
  return shape;
}

function valueAt(values: object, path: readonly string[]): unknown {
  let value: unknown = values;
  for (const name of path) value = Reflect.get(Object(value), name);
  return value;
}

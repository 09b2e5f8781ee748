import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as z from 'zod';

const Table = z.object({ name: z.string() });

/** Returns a hash of all rows in the database of a data folder. The server may be running. */
export function databaseHash(dataDir: string): string {
  const database = new DatabaseSync(join(dataDir, 'devlm.db'), { readOnly: true });
  try {
    const tables = z
      .array(Table)
      .parse(
        database.prepare("SELECT name FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all(),
      );
    const hash = createHash('sha256');
    for (const { name } of tables.toSorted((a, b) => a.name.localeCompare(b.name))) {
      hash.update(`\n${name}\n`);
      for (const row of database.prepare(`SELECT * FROM "${name}"`).iterate()) hash.update(JSON.stringify(row));
    }
    return hash.digest('hex');
  } finally {
    database.close();
  }
}

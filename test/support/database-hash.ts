import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as z from 'zod';

const Table = z.object({ name: z.string() });

/** Of every row of every table of ours that the server of a data folder keeps. It may run. */
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

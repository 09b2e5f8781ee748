import { migrations } from '../migrations/migrations.ts';

/** As long as a person waits for an answer. */
const timeoutMs = 5_000;

/** What `devlm doctor` says about PostgreSQL: whether it answers, as what, and whose tables are there. Changes nothing. */
export async function examinePostgres(url: string): Promise<{ readonly ok: boolean; readonly detail: string }> {
  const { default: pg } = await import('pg');
  // Without the password.
  const where = url.replace(/^[^/]*\/\/(.*@)?/, '').replace(/\?.*$/, '');
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const server = await client.query<{ server_version: string }>('show server_version');
    const there = await client.query<{ found: boolean }>("select to_regclass('schema_versions') is not null as found");
    const what = `PostgreSQL ${server.rows[0]?.server_version ?? '?'} at ${where}`;
    if (!there.rows[0]?.found) return { ok: true, detail: `${what}, not used yet` };
    const made = await client.query<{ version: number }>('select max(version)::int as version from schema_versions');
    const version = made.rows[0]?.version ?? 0;
    const own = migrations.at(-1)?.version ?? 0;
    if (version > own)
      return {
        ok: false,
        detail: `${what} has the tables of a newer DevLM (${version}, here ${own}). Update this one.`,
      };
    const change = version < own ? `, which the next start brings to ${own}` : '';
    return { ok: true, detail: `${what}, tables of version ${version}${change}` };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ok: false, detail: `${where} does not answer as it should (${why}). Look at DEVLM_DATABASE_URL.` };
  } finally {
    await client.end().catch(() => undefined);
  }
}

import { migrations } from '../migrations/migrations.ts';

/** Maximum time to wait for the connection and for each query, in milliseconds. */
const timeoutMs = 5_000;

/** Checks for `devlm doctor` that PostgreSQL is reachable and that its tables fit this version. Changes nothing. */
export async function examinePostgres(url: string): Promise<{ readonly ok: boolean; readonly detail: string }> {
  const { default: pg } = await import('pg');
  // Without the password.
  const address = url.replace(/^[^/]*\/\/(.*@)?/, '').replace(/\?.*$/, '');
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const server = await client.query<{ server_version: string }>('show server_version');
    const tables = await client.query<{ found: boolean }>("select to_regclass('schema_versions') is not null as found");
    const label = `PostgreSQL ${server.rows[0]?.server_version ?? '?'} at ${address}`;
    if (!tables.rows[0]?.found) return { ok: true, detail: `${label}, empty` };
    const applied = await client.query<{ version: number }>('select max(version)::int as version from schema_versions');
    const version = applied.rows[0]?.version ?? 0;
    const newest = migrations.at(-1)?.version ?? 0;
    if (version > newest)
      return {
        ok: false,
        detail: `${label} has tables of a newer DevLM (version ${version}; supported: ${newest}). Update DevLM.`,
      };
    const upgrade = version < newest ? `; the next start upgrades them to ${newest}` : '';
    return { ok: true, detail: `${label}, tables of version ${version}${upgrade}` };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ok: false, detail: `Cannot connect to PostgreSQL at ${address} (${reason}). Check DEVLM_DATABASE_URL.` };
  } finally {
    await client.end().catch(() => undefined);
  }
}

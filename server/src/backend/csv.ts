/** A table as CSV text (RFC 4180). */
export class CsvText {
  /** Name of the file. */
  readonly name: string;
  readonly text: string;

  constructor(name: string, head: readonly string[], rows: readonly (readonly (string | number | null)[])[]) {
    this.name = name;
    this.text = [head, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('');
  }
}

/**
 * Returns a cell as CSV. Text that a spreadsheet would take for a formula is prefixed with an apostrophe; numbers are
 * left as they are.
 */
function cell(value: string | number | null): string {
  if (typeof value === 'number') return String(value);
  const text = (value ?? '').toWellFormed();
  const escaped = /^\s*[=+\-@＝＋－＠\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(escaped) ? `"${escaped.replaceAll('"', '""')}"` : escaped;
}

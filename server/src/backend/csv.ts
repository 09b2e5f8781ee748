/** A table as text, RFC 4180. */
export class CsvText {
  /** Of the file. */
  readonly name: string;
  readonly text: string;

  constructor(name: string, head: readonly string[], rows: readonly (readonly (string | number | null)[])[]) {
    this.name = name;
    this.text = [head, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('');
  }
}

/** A text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay what they are. */
function cell(value: string | number | null): string {
  if (typeof value === 'number') return String(value);
  const text = (value ?? '').toWellFormed();
  const harmless = /^\s*[=+\-@＝＋－＠\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

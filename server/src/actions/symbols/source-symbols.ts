import * as z from 'zod';

/** The kind of a definition. */
export const SymbolKind = z.enum(['class', 'interface', 'enum', 'type', 'module', 'function', 'method', 'variable']);
export type SymbolKind = z.infer<typeof SymbolKind>;

/** A definition in a source file. */
export const SourceSymbol = z.object({
  name: z.string(),
  kind: SymbolKind,
  /** First line, 1-based. */
  line: z.int().min(1),
  /** Last line, 1-based. */
  endLine: z.int().min(1),
  /** The text before its body, on one line. */
  signature: z.string(),
});
export type SourceSymbol = z.infer<typeof SourceSymbol>;

/**
 * A name, its number of occurrences, and whether it likely refers to a definition in another file: it is imported, or
 * the language imports no names.
 */
export const NameUse = z.tuple([z.string(), z.int(), z.boolean()]);
export type NameUse = z.infer<typeof NameUse>;

/** The definitions of a source file, and the names that occur in it. */
export const SourceSymbols = z.object({
  symbols: z.array(SourceSymbol),
  references: z.array(NameUse),
});
export type SourceSymbols = z.infer<typeof SourceSymbols>;

/** The result for a file without definitions. */
export const noSymbols: SourceSymbols = { symbols: [], references: [] };

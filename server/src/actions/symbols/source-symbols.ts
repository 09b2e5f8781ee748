import * as z from 'zod';

/** What a definition is. */
export const SymbolKind = z.enum(['class', 'interface', 'enum', 'type', 'module', 'function', 'method', 'variable']);
export type SymbolKind = z.infer<typeof SymbolKind>;

/** A name that a file defines. */
export const SourceSymbol = z.object({
  name: z.string(),
  kind: SymbolKind,
  /** 1-based, of its first and last line. */
  line: z.int().min(1),
  endLine: z.int().min(1),
  /** What stands before its body, on one line. */
  signature: z.string(),
});
export type SourceSymbol = z.infer<typeof SourceSymbol>;

/**
 * A name, how often it occurs, and whether it is likely to mean a definition of another file: it is
 * imported, or the language imports no names.
 */
export const NameUse = z.tuple([z.string(), z.int(), z.boolean()]);
export type NameUse = z.infer<typeof NameUse>;

/** What a source file defines, and which names occur in it how often. */
export const SourceSymbols = z.object({
  symbols: z.array(SourceSymbol),
  references: z.array(NameUse),
});
export type SourceSymbols = z.infer<typeof SourceSymbols>;

/** Of a file without any. */
export const noSymbols: SourceSymbols = { symbols: [], references: [] };

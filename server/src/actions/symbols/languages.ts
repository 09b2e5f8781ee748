/** Grammars that are part of DevLM, by the name of their file. */
export type Grammar = 'python' | 'javascript' | 'typescript' | 'tsx' | 'go' | 'ruby' | 'rust' | 'java' | 'cpp';

/** Maximum size of a source file, in bytes. Larger files are data or generated code and are not parsed. */
export const maxSourceBytes = 512 * 1024;

/** Grammars by file name extension. */
const extensions: Readonly<Record<string, Grammar>> = {
  py: 'python',
  pyi: 'python',
  js: 'javascript',
  mjs: 'javascript',
  cjs: 'javascript',
  jsx: 'javascript',
  ts: 'typescript',
  mts: 'typescript',
  cts: 'typescript',
  tsx: 'tsx',
  go: 'go',
  rb: 'ruby',
  rake: 'ruby',
  rs: 'rust',
  java: 'java',
  c: 'cpp',
  h: 'cpp',
  cc: 'cpp',
  cpp: 'cpp',
  cxx: 'cpp',
  hh: 'cpp',
  hpp: 'cpp',
};

/** Returns the grammar of a file by its name, or null if there is none or the file is minified. */
export function grammarOf(path: string): Grammar | null {
  if (/\.min\.[cm]?js$/i.test(path)) return null;
  const extension = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(extensions, extension) ? (extensions[extension] ?? null) : null;
}

const javascript = `
(class_declaration name: (_) @name) @class
(function_declaration name: (_) @name) @function
(generator_function_declaration name: (_) @name) @function
(method_definition name: [(property_identifier) (private_property_identifier)] @name) @method
(program [(lexical_declaration (variable_declarator name: (identifier) @name)) @variable
          (variable_declaration (variable_declarator name: (identifier) @name)) @variable
          (export_statement (lexical_declaration (variable_declarator name: (identifier) @name)) @variable)])
(_ (variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression)])) @function
(import_specifier name: (identifier) @imported)
(import_clause (identifier) @imported)
[(identifier) (property_identifier) (shorthand_property_identifier)] @reference
`;

const typescript = `${javascript}
(abstract_class_declaration name: (_) @name) @class
(interface_declaration name: (_) @name) @interface
(type_alias_declaration name: (_) @name) @type
(enum_declaration name: (_) @name) @enum
(internal_module name: (identifier) @name) @module
(function_signature name: (_) @name) @function
(abstract_method_signature name: (property_identifier) @name) @method
(method_signature name: (property_identifier) @name) @method
(type_identifier) @reference
`;

/**
 * Tree-sitter queries that find the definitions of a source file. A definition is a node captured as its kind, with
 * `@name` inside. `@reference` captures all names that occur, `@imported` those that are imported from elsewhere.
 */
export const queries: Readonly<Record<Grammar, string>> = {
  python: `
(class_definition name: (identifier) @name) @class
(function_definition name: (identifier) @name) @function
(class_definition body: (block [(function_definition name: (identifier) @name) @method
                                (decorated_definition (function_definition name: (identifier) @name) @method)]))
(module (expression_statement (assignment left: (identifier) @name) @variable))
(import_from_statement name: [(dotted_name (identifier) @imported) (aliased_import name: (dotted_name (identifier) @imported))])
(identifier) @reference
`,
  javascript,
  typescript,
  tsx: typescript,
  go: `
(function_declaration name: (identifier) @name) @function
(method_declaration name: (field_identifier) @name) @method
(type_declaration [(type_spec name: (type_identifier) @name) (type_alias name: (type_identifier) @name)] @type)
(type_spec name: (type_identifier) @name type: (interface_type)) @interface
(source_file [(const_declaration (const_spec name: (identifier) @name) @variable)
              (var_declaration (var_spec name: (identifier) @name) @variable)])
[(identifier) (field_identifier) (type_identifier)] @reference
`,
  ruby: `
(class name: [(constant) @name (scope_resolution name: (_) @name)]) @class
(module name: [(constant) @name (scope_resolution name: (_) @name)]) @module
(method name: (_) @name) @method
(singleton_method name: (_) @name) @method
(assignment left: (constant) @name) @variable
[(identifier) (constant)] @reference
`,
  rust: `
(struct_item name: (type_identifier) @name) @class
(union_item name: (type_identifier) @name) @class
(enum_item name: (type_identifier) @name) @enum
(trait_item name: (type_identifier) @name) @interface
(type_item name: (type_identifier) @name) @type
(mod_item name: (identifier) @name) @module
(macro_definition name: (identifier) @name) @function
(function_item name: (identifier) @name) @function
(function_signature_item name: (identifier) @name) @method
(declaration_list (function_item name: (identifier) @name) @method)
(source_file [(const_item name: (identifier) @name) (static_item name: (identifier) @name)] @variable)
[(identifier) (field_identifier) (type_identifier)] @reference
`,
  java: `
(class_declaration name: (identifier) @name) @class
(record_declaration name: (identifier) @name) @class
(interface_declaration name: (identifier) @name) @interface
(annotation_type_declaration name: (identifier) @name) @interface
(enum_declaration name: (identifier) @name) @enum
(method_declaration name: (identifier) @name) @method
(constructor_declaration name: (identifier) @name) @method
[(identifier) (type_identifier)] @reference
`,
  cpp: `
(class_specifier name: (type_identifier) @name body: (_)) @class
(struct_specifier name: (type_identifier) @name body: (_)) @class
(union_specifier name: (type_identifier) @name body: (_)) @class
(enum_specifier name: (type_identifier) @name body: (_)) @enum
(type_definition declarator: (type_identifier) @name) @type
(alias_declaration name: (type_identifier) @name) @type
(namespace_definition name: (namespace_identifier) @name) @module
(preproc_function_def name: (identifier) @name) @function
(function_definition declarator: (function_declarator declarator: (identifier) @name)) @function
(function_definition declarator: (_ declarator: (function_declarator declarator: (identifier) @name))) @function
(function_definition declarator: (function_declarator declarator: (field_identifier) @name)) @method
(function_definition declarator: (function_declarator declarator: (qualified_identifier name: (_) @name))) @method
(field_declaration declarator: (function_declarator declarator: (field_identifier) @name)) @method
[(identifier) (field_identifier) (type_identifier)] @reference
`,
};

/* Types of the parts of quickjs-emscripten-core that are used, as in the pinned version. */

/** A reference to a value in QuickJS, which must be disposed of. */
export interface Handle {
  dispose(): void;
}
/** The value of an evaluation, or the error that it threw. */
export type Result<T> = { readonly error?: undefined; readonly value: T } | { readonly error: Handle };

/** A global environment in which code is evaluated. */
export interface QuickJsContext {
  readonly undefined: Handle;
  readonly null: Handle;
  readonly global: Handle;
  newObject(): Handle;
  newString(text: string): Handle;
  newNumber(value: number): Handle;
  newArrayBuffer(data: ArrayBufferLike): Handle;
  newFunction(name: string, act: (...args: Handle[]) => Handle | Result<Handle> | undefined): Handle;
  newError(error: { name: string; message: string }): Handle;
  setProp(target: Handle, name: string, value: Handle): void;
  getProp(target: Handle, name: string): Handle;
  typeof(value: Handle): string;
  getString(value: Handle): string;
  getNumber(value: Handle): number;
  getArrayBuffer(value: Handle): { readonly value: Uint8Array; dispose(): void };
  getPromiseState(
    value: Handle,
  ): { type: 'pending' } | { type: 'fulfilled'; value: Handle } | { type: 'rejected'; error: Handle };
  callFunction(fn: Handle, self: Handle, ...args: Handle[]): Result<Handle>;
  evalCode(code: string, name: string, options?: { type: 'module' | 'global' }): Result<Handle>;
  dump(value: Handle): unknown;
}

/** An instance of QuickJS with its limits and its module loader. */
export interface JsRuntime {
  newContext(): QuickJsContext;
  setMaxStackSize(bytes: number): void;
  setInterruptHandler(interrupt: () => boolean): void;
  setModuleLoader(
    load: (name: string) => string | { error: Error },
    normalize: (base: string, name: string) => string | { error: Error },
  ): void;
  executePendingJobs(): Result<number>;
}

/** The part of the package that creates runtimes. */
export interface Core {
  newQuickJSWASMModuleFromVariant(variant: unknown): Promise<{ newRuntime(): JsRuntime }>;
}

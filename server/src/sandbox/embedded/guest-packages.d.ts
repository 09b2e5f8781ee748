/* Types of the npm packages that the guest library imports. The slash at the end of a name means the package, not Node's module. */

declare module 'buffer/' {
  import { Buffer } from 'node:buffer';

  const exported: { readonly Buffer: typeof Buffer & { from(...args: unknown[]): Buffer } };
  export default exported;
}

declare module 'events/' {
  import { EventEmitter } from 'node:events';
  export default EventEmitter;
}

declare module 'node-inspect-extracted/' {
  import { format, formatWithOptions, inspect, stripVTControlCharacters } from 'node:util';

  const exported: {
    readonly format: typeof format;
    readonly formatWithOptions: typeof formatWithOptions;
    readonly inspect: typeof inspect;
    readonly stripVTControlCharacters: typeof stripVTControlCharacters;
  };
  export default exported;
}

declare module 'path-browserify/' {
  import type { PlatformPath } from 'node:path';

  const exported: Omit<PlatformPath, 'toNamespacedPath' | 'matchesGlob' | 'win32'>;
  export default exported;
}

declare module 'string_decoder/' {
  import { StringDecoder } from 'node:string_decoder';

  const exported: { readonly StringDecoder: typeof StringDecoder };
  export default exported;
}

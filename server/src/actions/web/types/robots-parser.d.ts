/** Types for the import path that works in Node. The package's own types do not match it. */
declare module 'robots-parser/Robots.js' {
  class Robots {
    constructor(url: string, contents: string);
    /** Returns undefined if the address is not of this site. */
    isAllowed(url: string, userAgent: string): boolean | undefined;
  }
  export = Robots;
}

/** The package's own types do not fit the way in which Node imports it. */
declare module 'robots-parser/Robots.js' {
  class Robots {
    constructor(url: string, contents: string);
    /** Undefined where the address is not of this site. */
    isAllowed(url: string, userAgent: string): boolean | undefined;
  }
  export = Robots;
}

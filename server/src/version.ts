declare const DEVLM_VERSION: string | undefined;

/** Set by the build from package.json; `0.0.0` when the sources run as they are. */
export const version: string = typeof DEVLM_VERSION === 'string' ? DEVLM_VERSION : '0.0.0';

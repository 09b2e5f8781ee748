declare const DEVLM_VERSION: string | undefined;

/** Version of DevLM, set by the build from package.json. `0.0.0` when running from source. */
export const version: string = typeof DEVLM_VERSION === 'string' ? DEVLM_VERSION : '0.0.0';

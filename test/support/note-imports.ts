import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

/*
 * Module that is loaded before a test server (`node --import`). It appends the URL of each loaded module to the file in
 * DEVLM_TEST_IMPORTS.
 */

const file = process.env['DEVLM_TEST_IMPORTS'];
if (file)
  registerHooks({
    load(url, context, next) {
      appendFileSync(file, `${url}\n`);
      return next(url, context);
    },
  });

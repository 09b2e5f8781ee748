import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

/*
 * Loaded before a server of a test (`node --import`): writes the address of each module that is loaded into the file
 * that DEVLM_TEST_IMPORTS names.
 */

const file = process.env['DEVLM_TEST_IMPORTS'];
if (file)
  registerHooks({
    load(url, context, next) {
      appendFileSync(file, `${url}\n`);
      return next(url, context);
    },
  });

import assert from './assert.ts';
import { host } from './host.ts';
import { setTimeout } from './timers.ts';
import { inspect } from './util.ts';

/* `node:test`, with the output of the `spec` reporter. */

interface Options {
  readonly skip?: boolean | string;
  readonly todo?: boolean | string;
  readonly only?: boolean;
  readonly timeout?: number;
}
type Body = (context: TestContext, done?: (error?: unknown) => void) => unknown;
type Hook = () => unknown;

class Suite {
  readonly name: string;
  readonly parent: Suite | null;
  readonly items: (() => Promise<void>)[] = [];
  readonly hooks = { before: [] as Hook[], after: [] as Hook[], beforeEach: [] as Hook[], afterEach: [] as Hook[] };
  constructor(name: string, parent: Suite | null) {
    this.name = name;
    this.parent = parent;
  }
  get depth(): number {
    return this.parent ? this.parent.depth + 1 : 0;
  }
}

const root = new Suite('', null);
let current = root;
const counts = { tests: 0, suites: 0, pass: 0, fail: 0, skipped: 0, todo: 0 };
const failures: { name: string; error: unknown }[] = [];
const begun = host.now();

export class TestContext {
  readonly name: string;
  readonly assert = assert;
  readonly signal = new AbortController().signal;
  readonly #suite: Suite;
  readonly #run: (suite: Suite, name: string, options: Options, body: Body) => Promise<boolean>;
  skipped: string | boolean = false;
  failed = false;

  constructor(suite: Suite, name: string, run: TestContext['runOf']) {
    this.#suite = suite;
    this.name = name;
    this.#run = run;
  }
  get runOf(): (suite: Suite, name: string, options: Options, body: Body) => Promise<boolean> {
    return this.#run;
  }
  async test(...args: unknown[]): Promise<void> {
    const { name, options, body } = read(args);
    if (!(await this.#run(new Suite(this.name, this.#suite), name, options, body))) this.failed = true;
  }
  skip(reason?: string): void {
    this.skipped = reason ?? true;
  }
  todo(): void {}
  diagnostic(text: string): void {
    host.write(1, `ℹ ${text}\n`);
  }
  before(hook: Hook): void {
    this.#suite.hooks.before.push(hook);
  }
  after(hook: Hook): void {
    this.#suite.hooks.after.push(hook);
  }
  beforeEach(hook: Hook): void {
    this.#suite.hooks.beforeEach.push(hook);
  }
  afterEach(hook: Hook): void {
    this.#suite.hooks.afterEach.push(hook);
  }
  get mock(): typeof mock {
    return mock;
  }
}

function read(args: unknown[]): { name: string; options: Options; body: Body } {
  const name = args.find((arg) => typeof arg === 'string');
  const body = args.find((arg) => typeof arg === 'function') as Body | undefined;
  const options = (args.find((arg) => typeof arg === 'object' && arg !== null) ?? {}) as Options;
  return { name: (name as string | undefined) ?? (body?.name || '<anonymous>'), options, body: body ?? (() => {}) };
}

async function runTest(suite: Suite, name: string, options: Options, body: Body): Promise<boolean> {
  const from = host.now();
  const pad = '  '.repeat(suite.depth);
  const say = (mark: string, more = '') =>
    host.write(1, `${pad}${mark} ${name} (${(host.now() - from).toFixed(3)}ms)${more}\n`);
  counts.tests++;
  if (options.skip) {
    counts.skipped++;
    say('﹣', ' # SKIP');
    return true;
  }
  const context = new TestContext(suite, name, runTest);
  try {
    for (const hook of inherited(suite, 'beforeEach')) await hook();
    try {
      await limited(call(body, context), options.timeout);
    } finally {
      for (const hook of inherited(suite, 'afterEach').reverse()) await hook();
    }
    if (context.failed) throw new Error('1 subtest failed');
  } catch (error) {
    if (options.todo) {
      counts.todo++;
      say('⚠', ' # TODO');
      return true;
    }
    counts.fail++;
    failures.push({ name, error });
    say('✖');
    return false;
  }
  if (context.skipped) {
    counts.skipped++;
    say('﹣', ' # SKIP');
  } else {
    counts.pass++;
    say('✔');
  }
  return true;
}

function inherited(suite: Suite, kind: 'beforeEach' | 'afterEach'): Hook[] {
  return [...(suite.parent ? inherited(suite.parent, kind) : []), ...suite.hooks[kind]];
}

function call(body: Body, context: TestContext): unknown {
  if (body.length < 2) return body(context);
  return new Promise<void>((done, fail) => {
    body(context, (error) => (error ? fail(error) : done()));
  });
}

function limited(work: unknown, ms: number | undefined): Promise<unknown> {
  if (ms === undefined || ms === Number.POSITIVE_INFINITY) return Promise.resolve(work);
  const late = new Promise((_, fail) => {
    setTimeout(() => fail(new Error(`test timed out after ${ms}ms`)), ms).unref();
  });
  return Promise.race([work, late]);
}

/** Registers a test. The returned promise only reports its end, so that callers need not handle a failure. */
export function test(...args: unknown[]): Promise<void> {
  const { name, options, body } = read(args);
  const suite = current;
  return new Promise((done) => {
    suite.items.push(async () => {
      await runTest(suite, name, options, body);
      done();
    });
  });
}

export function describe(...args: unknown[]): Promise<void> {
  const { name, options, body } = read(args);
  const parent = current;
  const suite = new Suite(name, parent);
  counts.suites++;
  let failed: unknown = null;
  current = suite;
  const filled = Promise.resolve(options.skip ? undefined : tried(() => (body as () => unknown)())).catch((error) => {
    failed = error;
  });
  current = parent;
  return new Promise((done) => {
    parent.items.push(async () => {
      await filled;
      const pad = '  '.repeat(parent.depth);
      host.write(1, `${pad}▶ ${name}\n`);
      if (failed !== null) {
        counts.fail++;
        failures.push({ name, error: failed });
      }
      await runItems(suite);
      host.write(1, `${pad}${failed === null ? '✔' : '✖'} ${name}\n`);
      done();
    });
  });
}

async function tried(act: () => unknown): Promise<unknown> {
  return act();
}

async function runItems(suite: Suite): Promise<void> {
  try {
    for (const hook of suite.hooks.before) await hook();
    for (let i = 0; i < suite.items.length; i++) await suite.items[i]?.();
    for (const hook of suite.hooks.after) await hook();
  } catch (error) {
    counts.fail++;
    failures.push({ name: suite.name || 'hook', error });
  }
}

const withOptions =
  (act: (...args: unknown[]) => Promise<void>, options: Options) =>
  (...args: unknown[]) => {
    const { name, options: given, body } = read(args);
    return act(name, { ...given, ...options }, body);
  };
for (const act of [test, describe]) {
  Object.assign(act, {
    skip: withOptions(act, { skip: true }),
    todo: withOptions(act, { todo: true }),
    only: act,
  });
}
export const it = test;
export const suite = describe;
export const before = (hook: Hook): void => void current.hooks.before.push(hook);
export const after = (hook: Hook): void => void current.hooks.after.push(hook);
export const beforeEach = (hook: Hook): void => void current.hooks.beforeEach.push(hook);
export const afterEach = (hook: Hook): void => void current.hooks.afterEach.push(hook);

export const mock = {
  fn(act: (...args: unknown[]) => unknown = () => undefined) {
    const calls: { arguments: unknown[]; result?: unknown; error?: unknown }[] = [];
    const made = function (this: unknown, ...args: unknown[]): unknown {
      const record: (typeof calls)[number] = { arguments: args };
      calls.push(record);
      try {
        record.result = act.apply(this, args);
        return record.result;
      } catch (error) {
        record.error = error;
        throw error;
      }
    };
    return Object.assign(made, {
      mock: { calls, callCount: () => calls.length, resetCalls: () => void calls.splice(0) },
    });
  },
  method(target: Record<string, (...args: unknown[]) => unknown>, name: string, act = target[name]) {
    const original = target[name];
    const made = mock.fn(act);
    Object.assign(made.mock, { restore: () => Object.assign(target, { [name]: original }) });
    target[name] = made;
    return made;
  },
  reset(): void {},
  restoreAll(): void {},
};

/** Runs the registered tests. Returns whether all passed, or null if none was registered. */
export async function runAll(): Promise<boolean | null> {
  if (root.items.length === 0) return null;
  await runItems(root);
  const lines = Object.entries({
    tests: counts.tests,
    suites: counts.suites,
    pass: counts.pass,
    fail: counts.fail,
    cancelled: 0,
    skipped: counts.skipped,
    todo: counts.todo,
  });
  host.write(
    1,
    `${lines.map(([name, count]) => `ℹ ${name} ${count}`).join('\n')}\nℹ duration_ms ${(host.now() - begun).toFixed(3)}\n`,
  );
  if (failures.length > 0) {
    host.write(1, `\n✖ failing tests:\n`);
    for (const { name, error } of failures)
      host.write(1, `\n✖ ${name}\n  ${inspect(error).replaceAll('\n', '\n  ')}\n`);
  }
  return failures.length === 0;
}
export default Object.assign(test, { test, it, describe, suite, before, after, beforeEach, afterEach, mock });

import { type Attack, attacks, byItself, usedUp } from './attack.ts';

/*
 * A guest of a WebAssembly engine can reach the JavaScript around it, so each attack runs there. The permissions of the
 * process and the restrictions of the operating system must hold.
 */

interface Body {
  readonly body: string;
  readonly more?: Pick<Attack, 'may' | 'withinMs'>;
}

const get = (module: string) => `process.getBuiltinModule("${module}")`;
/** Prints ESCAPED if none of the attempts is refused. */
const attempts = (...works: string[]) =>
  `const said = []; for (const work of [${works.map((work) => `() => ${work}`).join(', ')}]) { try { const got = work(); if (got !== undefined && got !== null && got !== false && got !== "") said.push("ESCAPED: " + String(work) + " " + String(got).slice(0, 80)); } catch (error) { said.push(String(error)); } } return said.join("\\n");`;

const bodies: Readonly<Record<string, Body>> = {
  'reads files of the machine': {
    body: attempts(
      ...['/etc/passwd', '/etc/shadow', '$CANARY', '/proc/1/environ', '/root/.bashrc', '/etc/hostname'].map(
        (path) => `${get('fs')}.readFileSync("${path}", "utf8")`,
      ),
      `${get('fs')}.readdirSync("/root").join()`,
      `${get('fs')}.readdirSync("/home").join()`,
      `${get('fs')}.readlinkSync("/proc/1/exe")`,
    ),
  },
  'reads files in other ways': {
    body: attempts(
      'globalThis.constructor.constructor("return process")().getBuiltinModule("fs").readFileSync("$CANARY", "utf8")',
      'process.binding("fs").readFileUtf8("$CANARY", 0)',
      `${get('module')}.createRequire("/")("node:fs").readFileSync("$CANARY", "utf8")`,
      'process.mainModule.require("fs").readFileSync("$CANARY", "utf8")',
      `${get('fs')}.openAsBlob("$CANARY").size`,
      `new (${get('node:sqlite')}.DatabaseSync)("$CANARY").prepare("select 1").get()`,
      `${get('fs')}.readFileSync(new URL("file://$CANARY"), "utf8")`,
      `${get('fs')}.readFileSync(Buffer.from("$CANARY"), "utf8")`,
      `${get('fs')}.readFileSync("/proc/self/root$CANARY", "utf8")`,
      `(${get('fs')}.symlinkSync("$CANARY", "/sandbox/link"), ${get('fs')}.readFileSync("/sandbox/link", "utf8"))`,
    ),
  },
  'writes to the machine': {
    body: attempts(
      ...[
        '$CANARY',
        '/etc/devlm-escaped',
        '/root/devlm-escaped',
        '/var/tmp/devlm-escaped',
        '/usr/bin/devlm-escaped',
      ].map((path) => `(${get('fs')}.writeFileSync("${path}", "x"), ${get('fs')}.readFileSync("${path}", "utf8"))`),
      `(${get('fs')}.appendFileSync("$CANARY", "x"), "appended")`,
      `(${get('fs')}.unlinkSync("$CANARY"), "gone")`,
      `(${get('fs')}.chmodSync("$CANARY", 511), "changed")`,
    ),
  },
  'starts programs': {
    body: attempts(
      `${get('child_process')}.execSync("id", { encoding: "utf8" })`,
      `${get('child_process')}.spawnSync("/bin/sh", ["-c", "id"], { encoding: "utf8" }).stdout`,
      `${get('child_process')}.spawnSync(process.execPath, ["-p", "1"], { encoding: "utf8" }).stdout`,
      `${get('child_process')}.fork("/sandbox/main.js").pid`,
      `${get('cluster')}.fork().process.pid`,
      'process.binding("spawn_sync").spawn({ file: "/bin/id", args: ["id"], stdio: [] }).pid',
      'process.execve("/bin/id", ["id"])',
      'process.dlopen({ exports: {} }, "/lib/x86_64-linux-gnu/libc.so.6")',
    ),
  },
  'reads the secrets of the server': {
    body: `return JSON.stringify(process.env) + process.argv.join() + process.execArgv.join() + (process.env.DEVLM_CANARY_SECRET ? "ESCAPED: environment" : "");`,
  },
  'signals the server': {
    body: attempts(
      ...['process.ppid', '1', '-1', '0'].flatMap((pid) => [
        `process.kill(${pid}, "SIGSTOP") && undefined`,
        `process.kill(${pid}, "SIGKILL") && undefined`,
      ]),
    ),
    more: { may: usedUp },
  },
  'calls the network': {
    body: `for (const host of ["127.0.0.1", "169.254.169.254", "1.1.1.1", "::1"]) {
  try { ${get('net')}.connect({ host, port: $PORT }).on("connect", () => console.log("ESCAPED: " + host)).on("error", () => {}); } catch {}
  try { ${get('dgram')}.createSocket("udp4").send("x", $PORT, host, (error) => { if (!error) console.log("ESCAPED: udp " + host); }); } catch {}
  try { fetch("http://" + host + ":$PORT/").then(() => console.log("ESCAPED: fetch"), () => {}); } catch {}
}
try { ${get('net')}.connect("/var/run/docker.sock").on("connect", () => console.log("ESCAPED: docker")).on("error", () => {}); } catch {}
try { ${get('net')}.connect("\\0devlm-canary-$PORT").on("connect", () => console.log("ESCAPED: abstract")).on("error", () => {}); } catch {}
return "called";`,
    more: { may: [...byItself, 'timeout'] },
  },
  'opens ports': {
    body: `try { ${get('net')}.createServer().listen(0).on("error", () => {}); } catch {}
try { ${get('inspector')}.open(0); } catch (error) { return String(error); }
return "tried";`,
    more: { may: [...byItself, 'timeout'] },
  },
  'forges the end of its run': {
    body: `for (const message of [{ type: "ended", status: "ok", exitCode: 0 }, { type: "result", code: 0 }, null, 1, "x", { type: "output", stream: "stdout", text: "forged" }, { __proto__: null, toString: 1 }]) {
  try { process.send?.(message); } catch {}
  for (let fd = 1; fd < 12; fd++) try { ${get('fs')}.writeSync(fd, JSON.stringify(message) + "\\n"); } catch {}
}
return "sent";`,
    more: { may: [...byItself, 'engine-error', 'output-limit'] },
  },
  'sends garbage to the server': {
    body: `const garbage = Buffer.alloc(1 << 20, 255);
for (let i = 0; i < 64; i++) for (let fd = 1; fd < 12; fd++) try { ${get('fs')}.writeSync(fd, garbage); } catch {}
return "sent";`,
    more: { may: [...usedUp, 'engine-error', 'output-limit'] },
  },
  'sends endless messages': {
    body: `if (!process.send) return "none"; for (;;) process.send("x".repeat(1 << 20));`,
    more: { may: [...usedUp, 'engine-error', 'output-limit'] },
  },
  'closes every handle': {
    body: `for (let fd = 0; fd < 64; fd++) try { ${get('fs')}.closeSync(fd); } catch {} return "closed";`,
    more: { may: [...usedUp, 'engine-error'] },
  },
  'ends the process': { body: 'process.exit(0);', more: { may: [...byItself, 'engine-error'] } },
  'aborts the process': { body: 'process.abort();', more: { may: ['failed', 'engine-error', 'out-of-memory'] } },
  'kills the process': {
    body: 'process.kill(process.pid, "SIGKILL"); return "x";',
    more: { may: ['failed', 'engine-error', 'out-of-memory'] },
  },
  'breaks the process': {
    body: 'process.binding = null; Object.prototype.then = () => { throw 1; }; Array.prototype.push = null; JSON.stringify = null; Promise.prototype.then = null; globalThis.Buffer = null; process.nextTick = null; throw new Error("broken");',
    more: { may: [...usedUp, 'engine-error'] },
  },
  'loops forever': { body: 'for (;;);', more: { may: ['timeout'] } },
  'fills buffers outside of the heap': {
    body: 'const kept = []; for (;;) kept.push(new Uint8Array(1 << 24).fill(1));',
    more: { may: ['out-of-memory', 'failed', 'timeout'] },
  },
  'fills the heap': {
    body: 'const kept = []; for (;;) kept.push([kept.length]);',
    more: { may: ['out-of-memory', 'failed', 'timeout'] },
  },
  'fills WebAssembly memories': {
    body: 'const kept = []; for (;;) { const memory = new WebAssembly.Memory({ initial: 1000, maximum: 1000 }); new Uint8Array(memory.buffer).fill(1); kept.push(memory); }',
    more: { may: ['out-of-memory', 'failed', 'timeout'] },
  },
  'starts workers': {
    body: `const made = []; for (let i = 0; i < 200; i++) try { made.push(new (${get('worker_threads')}.Worker)("for(;;);", { eval: true })); } catch (error) { return String(error); } for (;;);`,
    more: { may: usedUp },
  },
  'a worker with other permissions': {
    body: `try { new (${get('worker_threads')}.Worker)('require("fs").readFileSync("$CANARY"); require("fs").writeSync(1, "ESCAPED: worker\\\\n")', { eval: true, execArgv: [], env: {} }).on("error", () => {}); } catch (error) { return String(error); } return "tried";`,
    more: { may: [...byItself, 'timeout'] },
  },
  'writes reports and snapshots': {
    body: attempts(
      'process.report.writeReport("/var/tmp/devlm-escaped")',
      `${get('v8')}.writeHeapSnapshot("/var/tmp/devlm-escaped")`,
      `(${get('v8')}.setFlagsFromString("--allow-natives-syntax"), undefined)`,
      `(${get('trace_events')}.createTracing({ categories: ["node"] }).enable(), undefined)`,
    ),
  },
  'floods the output from outside': {
    body: `for (;;) ${get('fs')}.writeSync(1, "x".repeat(65536));`,
    more: { may: ['output-limit', 'failed', 'timeout', 'engine-error'] },
  },
  'asks for details of the machine': {
    body: attempts(
      `${get('os')}.userInfo().homedir === "/root" && ${get('fs')}.readdirSync("/root").join()`,
      `${get('fs')}.statSync("$CANARY").size`,
    ),
  },
};

const inPython = (body: string) => `from pyodide.code import run_js
print(run_js(${JSON.stringify(`(() => { ${body} })()`)}))
import time
time.sleep(0.3)`;
const inRuby = (body: string) => `require "js"
puts JS.eval(${rubyText(`return (() => { ${body} })()`)}).to_s
sleep 0.3`;
const rubyText = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** The same attack in each guest. QuickJS has no known way out, so the program looks for one. */
export const embeddedAttacks: Attack[] = Object.entries(bodies).flatMap(([name, { body, more }]) => [
  ...attacks('python', { [`Python in JavaScript ${name}`]: { source: inPython(body), ...more } }),
  ...attacks('ruby', { [`Ruby in JavaScript ${name}`]: { source: inRuby(body), ...more } }),
  ...attacks('javascript', {
    [`QuickJS ${name}`]: {
      source: `const main = new Function(${JSON.stringify(body)});\ntry { console.log(main()); } catch (error) { console.log(String(error)); }`,
      ...more,
      // If there is nothing to attack, the program says so and exits with 0.
      may: [...(more?.may ?? byItself), 'ok'],
    },
  }),
]);

embeddedAttacks.push(
  ...attacks('javascript', {
    'QuickJS looks for its host': `const seen = new Set();
const look = (thing, path) => {
  if (seen.has(thing) || seen.size > 20000 || (typeof thing !== "object" && typeof thing !== "function") || thing === null) return;
  seen.add(thing);
  for (const key of Reflect.ownKeys(thing)) {
    if (/getBuiltinModule|dlopen|mainModule|execSync/.test(String(key))) console.log("ESCAPED: " + path + "." + String(key));
    try { look(thing[key], path + "." + String(key)); } catch {}
  }
  try { look(Object.getPrototypeOf(thing), path + ".__proto__"); } catch {}
};
look(globalThis, "globalThis");
try { throw new Error(); } catch (error) { look(error.constructor.constructor("return this")(), "this"); }
console.log("looked");`,
    'QuickJS imports modules of its host': {
      source: `const names = ["node:child_process", "child_process", "node:net", "node:vm", "os", "std", "node:module", "file:///etc/passwd", "/etc/passwd", "../../../etc/passwd", "https://example.com/x.js", "data:text/javascript,export default 1"];
for (const name of names) {
  try {
    const module = await import(name);
    if (module.execSync ?? module.connect ?? module.runInThisContext ?? module.popen ?? module.createRequire) {
      const answer = module.execSync ? module.execSync("id") : module.popen ? module.popen("id", "r") : null;
      if (answer) console.log("ESCAPED: " + name);
    }
  } catch (error) { console.log(name + " " + error); }
}`,
    },
    'QuickJS reads files through its modules': `import { readFileSync, readdirSync, writeFileSync } from "node:fs";
for (const path of ["/etc/passwd", "$CANARY", "../../../../../etc/passwd", "/sandbox/../etc/passwd", "/proc/self/environ", "/proc/self/root/etc/passwd"]) {
  try { if (readFileSync(path, "utf8")) console.log("ESCAPED: " + path); } catch (error) { console.log(String(error)); }
}
for (const path of ["/", "/root"]) try { if (readdirSync(path).some((name) => /proc|ssh|bash/.test(name))) console.log("ESCAPED: " + path); } catch {}
try { writeFileSync("$CANARY", "x"); } catch {}`,
    'QuickJS overflows its stack': { source: 'const f = () => f(); f();', may: ['failed', 'out-of-memory'] },
    'QuickJS overflows by getters and sorting': {
      source:
        'const a = []; a[0] = a; try { JSON.stringify(a); } catch {} let s = "["; while (s.length < 5e6) s += s; try { JSON.parse(s); } catch {} [3,2,1].sort(() => { for (;;); });',
      may: ['timeout', 'failed', 'out-of-memory'],
    },
  }),
  ...attacks('python', {
    'Python reads files of the machine': `import os
for path in ("/etc/passwd", "$CANARY", "../../../../../etc/passwd", "/proc/self/environ", "/root/.bashrc"):
    try:
        if "root" in open(path).read() or path == "$CANARY": print("ESCAPED:", path)
    except OSError as error: print(error)
print([name for name in os.environ])`,
    'Python mounts the machine': `import pyodide_js
for mount in (lambda: pyodide_js.mountNodeFS("/mnt", "/"), lambda: pyodide_js.FS.mount(pyodide_js.FS.filesystems.NODEFS, {"root": "/"}, "/mnt")):
    try:
        mount()
        import os
        print("ESCAPED:", open("/mnt/etc/passwd").read()[:40], os.listdir("/mnt"))
    except BaseException as error: print(type(error), str(error)[:200])`,
    'Python loads packages from the network': `import asyncio
try:
    import micropip
    asyncio.get_event_loop().run_until_complete(micropip.install("http://127.0.0.1:$PORT/x-1-py3-none-any.whl"))
    print("ESCAPED")
except BaseException as error: print(type(error))
try:
    from pyodide.http import open_url
    open_url("http://127.0.0.1:$PORT/")
    print("ESCAPED")
except BaseException as error: print(type(error))`,
    'Python overflows the stack of JavaScript': {
      source: 'import sys\nsys.setrecursionlimit(10**8)\ndef f(n): return f(n + 1)\nf(0)',
      may: ['failed', 'out-of-memory', 'engine-error'],
    },
    'Python writes over its own memory': {
      source:
        'import ctypes\nfor address in range(0, 1 << 24, 4096):\n  try: ctypes.memset(address, 0xff, 4096)\n  except Exception: pass',
      may: ['failed', 'timeout', 'engine-error', 'out-of-memory', 'ok'],
    },
  }),
);

import { type Attack, attacks, usedUp } from './attack.ts';

/** Attacks with processes that multiply, that do not end, or that kill others. */
export const processAttacks: Attack[] = [
  ...attacks('python', {
    'fork bomb': {
      source: 'import os\nwhile True:\n  try: os.fork()\n  except OSError: pass',
      may: ['timeout', 'out-of-memory'],
    },
    'fork bomb whose parents end': {
      source: 'import os\nwhile True:\n  try:\n    if os.fork(): os._exit(0)\n  except OSError: pass',
      may: usedUp,
    },
    'daemons by double fork': {
      source: `import os, time
for _ in range(10):
    if os.fork() == 0:
        os.setsid()
        if os.fork(): os._exit(0)
        for fd in range(3): os.close(fd)
        time.sleep(600)
        os._exit(0)
print("left")`,
      may: ['ok'],
      withinMs: 6_000,
    },
    'a background child holds the output open': {
      source: 'import os, time\nif os.fork() == 0:\n  time.sleep(600)\nprint("left", flush=True)\nos._exit(0)',
      may: ['ok'],
      prints: 'left\n',
      withinMs: 6_000,
    },
    'ignores every signal': {
      source: `import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass`,
      may: ['timeout'],
    },
    'children that ignore every signal': {
      source: `import os, signal, time
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True: pass
while True: time.sleep(1)`,
      may: ['timeout'],
    },
    'stops itself': { source: 'import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)', may: ['timeout', 'ok'] },
    'stops everything': {
      source: 'import os, signal\nos.kill(-1, signal.SIGSTOP)\nos.kill(0, signal.SIGSTOP)',
      may: ['timeout', 'ok', 'failed'],
    },
    'kills everything': { source: 'import os\nos.kill(-1, 9)\nos.kill(0, 9)', may: ['failed', 'ok'] },
    'kills and stops its parent': {
      source:
        'import os\nfor pid in (os.getppid(), 1):\n  for number in (9, 15, 19, 11):\n    try: os.kill(pid, number)\n    except OSError as error: print(error)',
      may: ['ok', 'failed', 'timeout'],
    },
    'starts itself forever': {
      source: 'import os, sys\nos.execv(sys.executable, [sys.executable, "/sandbox/main.py"])',
      may: ['timeout'],
    },
    'endless threads': {
      source: 'import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()',
      may: usedUp,
    },
    'endless recursion': {
      source: 'import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1)\nf(0)',
      may: ['failed', 'out-of-memory'],
    },
    'sleeps past its limit': { source: 'import time\ntime.sleep(600)', may: ['timeout'] },
    'closes its outputs and continues': {
      source: 'import os\nfor fd in range(3): os.close(fd)\nwhile True: pass',
      may: ['timeout'],
    },
    'opens all file handles': {
      source:
        'import os\nopened = []\ntry:\n  while True: opened.append(os.open("/dev/null", 0))\nexcept OSError: pass\nprint("ESCAPED: no bound" if len(opened) > 30000 else "bounded")',
      may: ['ok'],
    },
    'arguments that are too long': {
      source: 'import os\ntry: os.execv("/bin/echo", ["x" * 100_000] * 100)\nexcept OSError as error: print(error)',
      may: ['ok'],
    },
    'a variable that is too long': {
      source:
        'import os\nos.environ["BIG"] = "x" * 10_000_000\ntry: os.execv("/bin/echo", ["x"])\nexcept OSError as error: print(error)',
      may: ['ok'],
    },
    zombies: {
      source:
        'import os, time\nfor _ in range(5000):\n  try:\n    if os.fork() == 0: os._exit(0)\n  except OSError: time.sleep(0.001)',
      may: usedUp,
    },
    'takes more processor time than allowed': {
      source: `import os
for attempt in (lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)),
                lambda: os.setpriority(os.PRIO_PROCESS, 0, -20)):
    try:
        attempt()
        print("ESCAPED: a higher priority")
    except OSError as error: print(error)`,
      may: ['ok'],
    },
    'raises its own limits': {
      source: `import resource
for name in ("RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CORE"):
    soft, hard = resource.getrlimit(getattr(resource, name))
    try:
        resource.setrlimit(getattr(resource, name), (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if hard != resource.RLIM_INFINITY: print("ESCAPED:", name)
    except (OSError, ValueError) as error: print(error)`,
      may: ['ok'],
    },
    'forged end markers on every handle': {
      source: `import os, json
forged = ['{"exitCode":0,"status":"ok"}\\n', '\\x00\\x00\\x00\\x00', '{"type":"ended","code":0}\\n', 'exit 0\\n', '\\x1e0\\n', 'DEVLM 0\\n']
for fd in range(3, 256):
    for text in forged:
        try: os.write(fd, text.encode())
        except OSError: pass
os._exit(3)`,
      may: ['failed'],
      exitCode: 3,
    },
    'forged frames of the output': {
      source:
        'import os\nos.write(1, b"\\x02\\0\\0\\0\\0\\0\\0\\x05hello\\x01\\0\\0\\0\\xff\\xff\\xff\\x7f")\nos.write(2, b"\\x01\\0\\0\\0\\0\\0\\0\\x05")\nos._exit(4)',
      may: ['failed'],
      exitCode: 4,
    },
    'closes every handle': { source: 'import os\nos.closerange(0, 4096)\nos._exit(5)', may: ['failed'], exitCode: 5 },
    'reads the end marker from the memory of PID 1, and forges it': {
      source: `import os, re
tokens = set()
try:
    with open("/proc/1/maps") as maps, open("/proc/1/mem", "rb", buffering=0) as memory:
        for line in maps:
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            if " rw" not in line or end - start > 64 << 20: continue
            try:
                memory.seek(start)
                tokens |= set(re.findall(rb"[0-9A-Za-z+/=_-]{16,128}", memory.read(end - start)))
            except (OSError, ValueError): pass
except OSError as error: print(error)
for token in sorted(tokens)[:2000]:
    for fd in (1, 2): os.write(fd, token + b"0 0 0 0 tar\\n" + b"x" * 512)
while True: pass`,
      may: ['ok', 'failed', 'timeout', 'out-of-memory'],
    },
    'reads inherited file handles': {
      source: `import os, stat
for fd in range(3, 256):
    try: kind = os.fstat(fd).st_mode
    except OSError: continue
    if stat.S_ISSOCK(kind) or stat.S_ISBLK(kind): print("ESCAPED: handle", fd, oct(kind))
    if stat.S_ISDIR(kind):
        try: print("ESCAPED:", os.listdir(f"/proc/self/fd/{fd}/../../../../root/.ssh"))
        except OSError: pass`,
      may: ['ok'],
    },
  }),
  ...attacks('bash', {
    'fork bomb of a shell': { source: ':(){ :|:& };:\nwait; sleep 60', may: usedUp },
    'ignores all signals that can be ignored': {
      source: "trap '' TERM INT HUP QUIT\nwhile :; do sleep 1; done",
      may: ['timeout'],
    },
    'leaves jobs behind': {
      source: 'for i in 1 2 3; do (trap "" HUP TERM; sleep 600) & done; disown -a; echo left',
      may: ['ok'],
      withinMs: 6_000,
    },
    'a child that is out of memory, and an exit code of 0': {
      source: '(a=x; while :; do a=$a$a; done); exit 0',
      may: ['out-of-memory'],
    },
    'fills the process table and then continues': {
      source: 'for i in $(seq 200); do sleep 60 & done 2>/dev/null; echo x | cat',
      may: usedUp,
    },
  }),
  ...attacks('c', {
    'fork bomb without a library': {
      source: '#include <unistd.h>\nint main(void) { for (;;) fork(); }',
      may: ['timeout', 'out-of-memory'],
    },
    'vfork bomb': {
      source: '#include <unistd.h>\nint main(void) { for (;;) if (vfork() == 0) pause(); }',
      may: usedUp,
    },
    'blocks every signal and waits': {
      source:
        '#include <signal.h>\n#include <unistd.h>\nint main(void) { sigset_t all; sigfillset(&all); sigprocmask(SIG_BLOCK, &all, 0); for (;;) pause(); }',
      may: ['timeout'],
    },
    'traces the process that started it': {
      source: `#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
  if (ptrace(PTRACE_ATTACH, getppid(), 0, 0) == 0) { waitpid(getppid(), 0, 0); ptrace(PTRACE_KILL, getppid(), 0, 0); }
  if (ptrace(PTRACE_ATTACH, 1, 0, 0) == 0) { waitpid(1, 0, 0); ptrace(PTRACE_KILL, 1, 0, 0); }
  puts("tried");
  return 0;
}`,
      may: ['ok', 'failed', 'timeout'],
    },
  }),
  ...attacks('javascript', {
    'endless workers': {
      source:
        'import { Worker } from "node:worker_threads"; for (;;) new Worker("for(;;);", { eval: true }).on("error", () => {});',
      may: usedUp,
    },
    'promises that never end': {
      source: 'const again = () => Promise.resolve().then(again); again();',
      may: ['timeout', 'out-of-memory', 'failed'],
    },
    'a regular expression that never ends': { source: '/^(a+)+$/.test("a".repeat(60) + "b")', may: ['timeout'] },
  }),
  ...attacks('ruby', {
    'catches every exception': { source: 'loop { begin; loop {}; rescue Exception; end }', may: ['timeout'] },
    'forks when it exits': { source: 'at_exit { fork { sleep 600 } ; loop {} }', may: ['timeout'] },
  }),
];

import { type Attack, attacks, usedUp } from './attack.ts';

const fill = (folder: string) =>
  `import os
written = 0
try:
    for i in range(4000):
        with open(f"${folder}/fill{i}", "wb") as file:
            for _ in range(16): written += file.write(b"x" * (1 << 20))
except OSError as error: print(error)
if written > 1 << 30: print("ESCAPED: a gigabyte in ${folder}")`;

/** Attacks with endless memory, files and output. */
export const spaceAttacks: Attack[] = [
  ...attacks('python', {
    'fills the memory': {
      source: 'kept = []\nwhile True: kept.append(b"x" * (1 << 20) + bytes([len(kept) % 256]))',
      may: ['out-of-memory'],
    },
    'fills /tmp': { source: fill('/tmp'), may: usedUp },
    'fills the working folder': { source: fill('/sandbox'), may: usedUp },
    'fills the folder of artifacts': { source: fill('/sandbox/out'), may: usedUp },
    'fills the shared memory': { source: fill('/dev/shm'), may: usedUp },
    'fills the mail, the logs and the caches': {
      source: ['/var/tmp', '/run', '/var/log', '/root', '/home'].map(fill).join('\n'),
      may: usedUp,
    },
    'fills an anonymous file': {
      source:
        'import os\nfd = os.memfd_create("fill")\nwritten = 0\ntry:\n  while written < 1 << 31: written += os.write(fd, b"x" * (1 << 20))\nexcept OSError as error: print(error)\nif written > 1 << 30: print("ESCAPED: a gigabyte")',
      may: usedUp,
    },
    'fills System V segments': {
      source: `import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
for _ in range(200):
    segment = libc.shmget(0, ctypes.c_size_t(16 << 20), 0o1666)
    if segment < 0: break
    at = libc.shmat(segment, None, 0)
    if at in (None, 2**64 - 1): break
    ctypes.memset(at, 1, 16 << 20)
else: print("ESCAPED: three gigabytes")`,
      may: usedUp,
    },
    'fills pipes and sockets': {
      source: `import fcntl, os, socket
kept, sent = [], 0
try:
    while sent < 1 << 31:
        r, w = os.pipe()
        kept += [r, w]
        try: fcntl.fcntl(w, 1031, 1 << 20)
        except OSError: pass
        os.set_blocking(w, False)
        a, b = socket.socketpair()
        kept += [a, b]
        a.setblocking(False)
        try:
            while True: sent += os.write(w, b"x" * 65536)
        except BlockingIOError: pass
        try:
            while True: sent += a.send(b"x" * 65536)
        except BlockingIOError: pass
except OSError as error: print(error)
if sent > 1 << 30: print("ESCAPED: a gigabyte")`,
      may: usedUp,
    },
    'reserves more memory than the machine has': {
      source:
        'import mmap\ntry:\n  m = mmap.mmap(-1, 1 << 45)\n  print(len(m))\nexcept (OSError, MemoryError, ValueError, OverflowError) as error: print(error)',
      may: usedUp,
    },
    'locks its memory': {
      source:
        'import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.mlockall(3)\nkept = []\nwhile True: kept.append(b"x" * (1 << 20) + bytes([len(kept) % 256]))',
      may: ['out-of-memory', 'failed'],
    },
    'a million files': {
      source:
        'import os\nmade = 0\ntry:\n  for made in range(1_000_000): os.close(os.open(f"/tmp/{made}", os.O_CREAT | os.O_WRONLY))\nexcept OSError as error: print(error)',
      may: usedUp,
    },
    'a sparse file of a petabyte': {
      source:
        'import os\ntry:\n  with open("/sandbox/out/hole", "wb") as file: file.truncate(1 << 50)\n  print("ESCAPED: a petabyte")\nexcept OSError as error: print(error)',
      may: ['ok', 'failed'],
    },
    'deeply nested folders': {
      source:
        'import os\nmade = 0\ntry:\n  os.chdir("/sandbox/out")\n  for made in range(20_000):\n    os.mkdir("d" * 100)\n    os.chdir("d" * 100)\nexcept OSError as error: print(error)',
      may: usedUp,
    },
    'compressed bombs as artifacts': {
      source:
        'import gzip, os\nwith gzip.open("/sandbox/out/bomb.gz", "wb") as file:\n  for _ in range(200): file.write(bytes(1 << 20))\nprint(os.path.getsize("/sandbox/out/bomb.gz") < 1 << 20)',
      may: ['ok', 'timeout'],
    },
    'floods standard output': { source: 'while True: print("x" * 100)', may: ['output-limit'] },
    'floods standard error': {
      source: 'import sys\nwhile True: print("x" * 100, file=sys.stderr)',
      may: ['output-limit'],
    },
    'floods both at once': {
      source: 'import os\nwhile True:\n  os.write(1, b"o" * 4096)\n  os.write(2, b"e" * 4096)',
      may: ['output-limit'],
    },
    'an endless line': {
      source: 'import sys\nwhile True: sys.stdout.write("x" * 65536)',
      may: ['output-limit'],
    },
    'floods with bytes that are not text': {
      source: 'import os\nwhile True: os.write(1, os.urandom(65536))',
      may: ['output-limit'],
    },
    'floods from many processes': {
      source: 'import os\nfor _ in range(4): os.fork()\nwhile True: os.write(1, b"x" * 65536)',
      may: ['output-limit'],
    },
    'floods, and ignores a closed output': {
      source:
        'import os, signal\nsignal.signal(signal.SIGPIPE, signal.SIG_IGN)\nwhile True:\n  try: os.write(1, b"x" * 65536)\n  except OSError: pass',
      may: ['output-limit'],
    },
    'a flood from a background process': {
      source: 'import os\nif os.fork() == 0:\n  while True: os.write(1, b"x" * 65536)\nos._exit(0)',
      may: ['ok', 'output-limit'],
      withinMs: 8_000,
    },
    'prints slowly forever': {
      source: 'import os, time\nwhile True:\n  os.write(1, b".")\n  time.sleep(0.005)',
      may: ['timeout'],
    },
    'prints terminal escape sequences': {
      source: 'print("\\x1b]0;title\\x07\\x1b[2J\\x1b[?1049h\\x1bc\\x00\\x85\\u202e")',
      may: ['ok'],
      prints: '\x1b]0;title\x07\x1b[2J\x1b[?1049h\x1bc\x00\x85\u202e\n',
    },
    'prints halves of characters': {
      source:
        'import os, time\nfor byte in "日本🎉".encode():\n  os.write(1, bytes([byte]))\n  time.sleep(0.01)\nos.write(1, b"\\xf0\\x9f")',
      may: ['ok'],
      prints: '日本🎉\ufffd',
    },
  }),
  ...attacks('javascript', {
    'fills the heap': {
      source: 'const kept = []; for (;;) kept.push({ a: [kept.length] });',
      may: ['out-of-memory', 'failed', 'timeout'],
    },
    'fills buffers': {
      source: 'const kept = []; for (;;) kept.push(Buffer.alloc(1 << 24, 1));',
      may: ['out-of-memory'],
    },
    'a string that is too long': { source: 'let s = "x"; for (;;) s += s;', may: ['failed', 'out-of-memory'] },
  }),
  ...attacks('ruby', {
    'fills the memory with strings': { source: 's = "x"; loop { s << s }', may: ['out-of-memory', 'failed'] },
  }),
  ...attacks('bash', {
    'fills the disk with dd': {
      source: 'for f in /tmp/a /sandbox/b /dev/shm/c /c /var/c; do dd if=/dev/zero of=$f bs=1M count=4096; done',
      may: usedUp,
    },
    yes: { source: 'yes', may: ['output-limit'] },
  }),
];

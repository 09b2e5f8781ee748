import { type Attack, attacks, byItself, usedUp } from './attack.ts';

/** Files that a program leaves in `/sandbox/out` to harm the process that collects them. */
export const artifactAttacks: Attack[] = [
  ...attacks('python', {
    'links to files of the machine': `import os
for i, target in enumerate(["/etc/passwd", "/etc/shadow", "$CANARY", "../../etc/passwd", "/proc/self/environ", "/proc/1/environ", "/dev/zero", "/dev/stdin", "/sandbox/out/0", "/proc/1/root/etc/passwd"]):
    os.symlink(target, f"/sandbox/out/{i}")`,
    'links to folders': `import os
for i, target in enumerate(["/", "/etc", "/proc", "/proc/self/fd", "/sys", ".", "..", "/sandbox/out"]):
    os.symlink(target, f"/sandbox/out/{i}")`,
    'hard links': `import os
for i, target in enumerate(["/etc/passwd", "/usr/bin/python3", "/sandbox/main.py", "/proc/self/exe"]):
    try: os.link(target, f"/sandbox/out/{i}", follow_symlinks=False)
    except OSError as error: print(error)
open("/sandbox/out/real", "w").write("x")
for i in range(2000): os.link("/sandbox/out/real", f"/sandbox/out/link{i}")`,
    'pipes without a writer':
      'import os\nos.mkfifo("/sandbox/out/a")\nos.mkfifo("/sandbox/out/z")\nopen("/sandbox/out/b", "w").write("x")',
    sockets:
      'import socket\nserver = socket.socket(socket.AF_UNIX)\nserver.bind("/sandbox/out/socket")\nserver.listen()',
    devices: {
      source:
        'import os, stat\nfor i, number in enumerate([(1, 5), (1, 8), (1, 1), (5, 0)]):\n  try:\n    os.mknod(f"/sandbox/out/{i}", stat.S_IFCHR | 0o666, os.makedev(*number))\n    print("ESCAPED: made a device")\n  except OSError as error: print(error)',
    },
    'files with holes': `for i in range(40):
    with open(f"/sandbox/out/{i}", "wb") as file: file.truncate(60 << 20)`,
    'a hundred thousand files': {
      source: 'for i in range(100_000): open(f"/sandbox/out/{i}", "w").close()',
      may: usedUp,
    },
    'a thousand folders deep': {
      source:
        'import os\nfor _ in range(1000):\n  os.chdir("/sandbox/out") if _ == 0 else None\n  os.mkdir("d")\n  os.chdir("d")\nopen("end", "w").write("x")',
      may: byItself,
    },
    'invalid names': `import os
for name in [b"new\\nline", b"\\xff\\xfe", b"..x", b"...", b" ", b"-rf", b"*", b"a\\\\b", b"\\x1b[2J", b"x" * 255, "größe 日本 🎉".encode(), b"$(id)", b"'\\"", b"C:", b"aux", b"\\xe2\\x80\\xae"]:
    with open(b"/sandbox/out/" + name, "wb") as file: file.write(b"x")`,
    'the folder itself is a link':
      'import os, shutil\nshutil.rmtree("/sandbox/out", ignore_errors=True)\ntry: os.symlink("/etc", "/sandbox/out")\nexcept OSError as error: print(error)',
    'the folder itself is a pipe':
      'import os, shutil\nshutil.rmtree("/sandbox/out", ignore_errors=True)\ntry: os.mkfifo("/sandbox/out")\nexcept OSError as error: print(error)',
    'the folder itself is gone':
      'import shutil\nshutil.rmtree("/sandbox/out", ignore_errors=True)\nshutil.rmtree("/sandbox", ignore_errors=True)',
    'files without read permission':
      'import os\nopen("/sandbox/out/a", "w").write("x")\nos.chmod("/sandbox/out/a", 0)\nos.mkdir("/sandbox/out/d")\nos.chmod("/sandbox/out/d", 0)\nos.chmod("/sandbox/out", 0)',
    'files that change while they are collected': {
      source: `import os
if os.fork() == 0:
    os.setsid()
    for fd in range(3): os.close(fd)
    while True:
        for name in ("a", "b"):
            try:
                with open(f"/sandbox/out/{name}", "wb") as file: file.write(b"x" * 500_000)
                os.unlink(f"/sandbox/out/{name}")
                os.symlink("/etc/passwd", f"/sandbox/out/{name}")
                os.unlink(f"/sandbox/out/{name}")
            except OSError: pass
open("/sandbox/out/still", "w").write("x")
os._exit(0)`,
      may: ['ok'],
      withinMs: 10_000,
    },
    'files that grow while they are collected': {
      source: `import os, time
if os.fork() == 0:
    os.setsid()
    for fd in range(3): os.close(fd)
    with open("/sandbox/out/grows", "ab") as file:
        while True: file.write(b"x" * 4096); file.flush()
time.sleep(0.1)
os._exit(0)`,
      may: ['ok', 'out-of-memory', 'failed'],
      withinMs: 10_000,
    },
    'a forged tar archive': `import io, tarfile
with tarfile.open("/sandbox/out/a.tar", "w") as tar:
    for name in ("../../../../tmp/devlm-escaped", "/tmp/devlm-escaped"):
        entry = tarfile.TarInfo(name)
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))`,
    'moves the working folder':
      'import os\nos.chdir("/tmp")\ntry: os.rename("/sandbox/out", "/tmp/out")\nexcept OSError as error: print(error)\ntry: os.rename("/sandbox", "/tmp/sandbox")\nexcept OSError as error: print(error)',
    'replaces the programs that collect them': `import os
os.makedirs("/tmp/bin", exist_ok=True)
for name in ("tar", "sh", "cat", "find", "ls", "base64", "python3", "node", "ruby", "sha256sum"):
    with open(f"/tmp/bin/{name}", "w") as file: file.write("#!/bin/sh\\necho ESCAPED >/sandbox/out/replaced\\n")
    os.chmod(f"/tmp/bin/{name}", 0o755)
os.environ["PATH"] = "/tmp/bin:" + os.environ.get("PATH", "")
for path in ("/tmp/sitecustomize.py", "/sandbox/sitecustomize.py", "/tmp/.profile", "/tmp/.bashrc", "/tmp/usercustomize.py"):
    open(path, "w").write("raise SystemExit(9)")`,
  }),
  ...attacks('bash', {
    'links and then a tar over them':
      'ln -s / /sandbox/out/root; ln -s root/etc /sandbox/out/etc; mkdir /sandbox/out/x; ln -s ../../.. /sandbox/out/x/up; tar -cf /sandbox/out/all.tar -C /sandbox/out root etc x',
    'fills the folder to the last byte': {
      source: 'dd if=/dev/zero of=/sandbox/out/full bs=64k; for i in 1 2 3; do echo x >/sandbox/out/$i; done',
      may: usedUp,
    },
  }),
];

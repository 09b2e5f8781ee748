import { type Attack, attacks } from './attack.ts';

/** Makes system calls that must be refused, with the numbers of x86-64 and of ARM64. */
const call = (name: string, numbers: readonly [number, number], ...args: string[]) =>
  `import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
number = ${numbers[0]} if platform.machine() == "x86_64" else ${numbers[1]}
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(ctypes.c_long(number), ${args.map((arg) => (/^-?\d/.test(arg) ? `ctypes.c_long(${arg})` : arg)).join(', ')})
print("ESCAPED: ${name}" if answer >= 0 else os.strerror(ctypes.get_errno()))`;

/** Opens files that must not be opened; `mode` as for `open`. */
const open = (mode: 'r' | 'w' | 'a', ...paths: string[]) =>
  `import glob
for pattern in ${JSON.stringify(paths)}:
    for path in glob.glob(pattern):
        try:
            with open(path, "${mode}b", buffering=0) as file:
                ${mode === 'r' ? 'data = file.read(64)' : 'data = file.write(b"1\\n")'}
                if data: print("ESCAPED:", path, data)
        except OSError as error: print(path, error.strerror)`;

/** Kernel features for privileged programs. In gVisor these only reach gVisor's own kernel. */
export const kernelAttacks: Attack[] = [
  ...attacks('python', {
    'mounts a file system': call('mount', [165, 40], 'b"none"', 'b"/tmp"', 'b"tmpfs"', '0', '0'),
    'mounts the host with a bind mount': call('mount', [165, 40], 'b"/proc/1/root"', 'b"/tmp"', '0', '4096', '0'),
    'removes a mount': call('umount', [166, 39], 'b"/proc/sys"', '2'),
    'a new user namespace': call('unshare', [272, 97], '0x10000000'),
    'a new mount namespace': call('unshare', [272, 97], '0x00020000'),
    'clone into a user namespace': call('clone', [56, 220], '0x10000011', '0', '0', '0', '0'),
    'the namespaces of PID 1': `import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for name in os.listdir("/proc/self/ns"):
    try:
        fd = os.open(f"/proc/1/ns/{name}", os.O_RDONLY)
        if libc.setns(fd, 0) == 0: print("ESCAPED:", name)
    except OSError as error: print(error)`,
    'the key ring of the kernel': call('add_key', [248, 217], 'b"user"', 'b"devlm"', 'b"x"', '1', '-3'),
    keyctl: call('keyctl', [250, 219], '0', '-3', '1'),
    bpf: call('bpf', [321, 280], '0', '(ctypes.c_char * 128)()', '128'),
    perf_event_open: call('perf_event_open', [298, 241], '(ctypes.c_char * 128)()', '0', '-1', '-1', '0'),
    userfaultfd: call('userfaultfd', [323, 282], '0'),
    'loads a module': call('init_module', [175, 105], 'b"x" * 64', '64', 'b""'),
    'boots another kernel': call('kexec_load', [246, 104], '0', '0', '0', '0'),
    reboots: call('reboot', [169, 142], '0xfee1dead', '672274793', '0x01234567'),
    'swaps to a file': call('swapon', [167, 224], 'b"/tmp/x"', '0'),
    'sets the clock': call('clock_settime', [227, 112], '0', '(ctypes.c_long * 2)(0, 0)'),
    'sets the host name': call('sethostname', [170, 161], 'b"devlm"', '5'),
    'changes its root': call('chroot', [161, 51], 'b"/tmp"'),
    'pivots its root': call('pivot_root', [155, 41], 'b"/tmp"', 'b"/tmp"'),
    'opens by handle': call('open_by_handle_at', [304, 265], '-100', '(ctypes.c_int * 4)(8, 1, 2, 0)', '0'),
    'watches every file': call('fanotify_init', [300, 262], '0', '0'),
    quotas: call('quotactl', [179, 60], '0x800001', 'b"/dev/vda"', '0', '0'),
    'the log of the kernel': call('syslog', [103, 116], '3', '(ctypes.c_char * 4096)()', '4096'),
    accounting: call('acct', [163, 89], 'b"/tmp/acct"'),
    'ports of the processor':
      'import ctypes\nlibc = ctypes.CDLL(None)\nif getattr(libc, "iopl", lambda level: -1)(3) == 0: print("ESCAPED: iopl")',
    'the memory of another process': `import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in os.listdir("/proc"):
    if not pid.isdigit() or int(pid) == os.getpid(): continue
    try: command = open(f"/proc/{pid}/cmdline").read()
    except OSError: continue
    if any(word in command for word in ("dockerd", "containerd", "vitest", "postgres")): print("ESCAPED: sees", command)`,
    'becomes root': `import os
for attempt in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.setresuid(0, 0, 0)):
    try:
        attempt()
        print("ESCAPED: root")
    except OSError as error: print(error)
print("ESCAPED: is root" if 0 in (os.getuid(), os.geteuid(), os.getgid()) else "nobody")`,
    'counts its capabilities': `status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
    if int(status.get(name, "0"), 16): print("ESCAPED:", name, status[name])
if status.get("NoNewPrivs", "1").strip() != "1": print("ESCAPED: may gain privileges")
if status.get("Seccomp", "2").strip() != "2": print("ESCAPED: every system call")`,
    'triggers SysRq': open('w', '/proc/sysrq-trigger', '/proc/sys/kernel/sysrq'),
    'sets a program for core dumps': open(
      'w',
      '/proc/sys/kernel/core_pattern',
      '/proc/sys/kernel/modprobe',
      '/proc/sys/kernel/hotplug',
      '/sys/kernel/uevent_helper',
      '/proc/sys/fs/binfmt_misc/register',
    ),
    'sets a release agent of control groups': `import glob, os
for path in glob.glob("/sys/fs/cgroup/**/release_agent", recursive=True) + glob.glob("/sys/fs/cgroup/release_agent"):
    try:
        open(path, "w").write("/tmp/x")
        print("ESCAPED:", path)
    except OSError as error: print(error)
for folder in glob.glob("/sys/fs/cgroup/*/") + ["/sys/fs/cgroup/"]:
    try:
        os.mkdir(folder + "devlm")
        print("ESCAPED:", folder)
    except OSError as error: print(error)`,
    'raises the limits of its control group': open(
      'w',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes',
      '/sys/fs/cgroup/memory.max',
      '/sys/fs/cgroup/pids/pids.max',
      '/sys/fs/cgroup/pids.max',
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us',
      '/sys/fs/cgroup/cpu.max',
      '/sys/fs/cgroup/devices/devices.allow',
      '/sys/fs/cgroup/*/cgroup.procs',
      '/sys/fs/cgroup/cgroup.procs',
    ),
    'changes kernel settings': open(
      'w',
      '/proc/sys/vm/drop_caches',
      '/proc/sys/vm/overcommit_memory',
      '/proc/sys/net/ipv4/ip_forward',
      '/proc/sys/kernel/pid_max',
      '/sys/devices/system/cpu/cpu1/online',
      '/sys/power/state',
      '/sys/block/*/queue/scheduler',
      '/proc/irq/*/smp_affinity',
    ),
    'protects itself from the memory killer, and then fills the memory': {
      source: `for path, text in (("/proc/self/oom_score_adj", "-1000"), ("/proc/self/oom_adj", "-17")):
    try: open(path, "w").write(text)
    except OSError as error: print(error)
kept = []
while True: kept.append(b"x" * (1 << 20) + bytes([len(kept) % 256]))`,
      may: ['out-of-memory', 'timeout', 'failed'],
    },
    'reads the memory of the machine': open(
      'r',
      '/proc/kcore',
      '/dev/mem',
      '/dev/kmem',
      '/dev/port',
      '/proc/kmsg',
      '/dev/kmsg',
      '/proc/keys',
      '/proc/timer_list',
      '/proc/vmallocinfo',
      '/sys/firmware/dmi/tables/DMI',
      '/sys/kernel/debug/*',
    ),
    'reads the disks': open(
      'r',
      '/dev/sd*',
      '/dev/vd*',
      '/dev/nvme*',
      '/dev/xvd*',
      '/dev/mapper/*',
      '/dev/loop*',
      '/dev/disk/*/*',
    ),
    'creates a device node of a disk': `import glob, os, stat
for number in ((254, 0), (253, 0), (252, 0), (8, 0), (259, 0), (7, 0), (1, 1)):
    try:
        os.mknod(f"/tmp/disk{number[0]}", stat.S_IFBLK | 0o666, os.makedev(*number))
        print("ESCAPED: made", number)
    except OSError as error: print(error)`,
    'reads the passwords': open(
      'r',
      '/etc/shadow',
      '/etc/gshadow',
      '/etc/sudoers',
      '/root/.ssh/*',
      '/home/*/.ssh/*',
      '/root/.bash_history',
      '/proc/1/root/root/.ssh/*',
    ),
    'reads the environment of other processes': `import os
for pid in os.listdir("/proc"):
    if pid.isdigit() and int(pid) != os.getpid():
        try: print(open(f"/proc/{pid}/environ", "rb").read())
        except OSError: pass
print(dict(os.environ))`,
    'escapes through links in /proc': `import os
for path in ("/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/proc/self/cwd/../../../.."):
    try:
        if os.path.exists(os.path.join(path, "$CANARY".lstrip("/"))): print("ESCAPED:", path)
    except OSError as error: print(error)`,
    'writes over its own interpreter': `import os, sys
for path in ("/proc/self/exe", sys.executable, os.path.realpath(sys.executable), os.__file__, "/bin/sh", "/usr/bin/env", "/etc/ld.so.preload", "/etc/passwd", "/proc/1/exe", "/proc/self/mem2"):
    for flags in (os.O_WRONLY, os.O_RDWR | os.O_APPEND):
        try:
            os.close(os.open(path, flags))
            print("ESCAPED:", path)
        except OSError as error: print(path, error.strerror)
for path in (sys.executable, "/bin", "/usr"):
    for attempt in (lambda: os.rename(path, path + "x"), lambda: os.chmod(path, 0o777), lambda: os.unlink(path)):
        try:
            attempt()
            print("ESCAPED:", path)
        except OSError: pass`,
    'programs that run as root': `import os, stat
for folder, _, names in os.walk("/"):
    if folder.startswith(("/proc", "/sys")): continue
    for name in names:
        path = os.path.join(folder, name)
        try: mode = os.lstat(path).st_mode
        except OSError: continue
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            pid = os.fork()
            if pid == 0:
                os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
                os.execv(path, [path, "--version"])
            print(path, os.waitpid(pid, 0))
os.close(os.open("/tmp/suid", os.O_CREAT | os.O_WRONLY, 0o6755))
print("nothing")`,
    'runs a program of its own from a folder that it may write': {
      source:
        'import os, shutil\nshutil.copy("/bin/busybox", "/tmp/id")\nos.chmod("/tmp/id", 0o6755)\nif b"uid=0" in os.popen("/tmp/id").read().encode(): print("ESCAPED: root")',
    },
    'the socket of the engine': `import glob, os, socket, stat
found = {"/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/systemd/private", "/run/dbus/system_bus_socket"}
for folder, _, names in os.walk("/"):
    if folder.startswith(("/proc", "/sys")): continue
    for name in names:
        try:
            if stat.S_ISSOCK(os.lstat(os.path.join(folder, name)).st_mode): found.add(os.path.join(folder, name))
        except OSError: pass
for path in found:
    client = socket.socket(socket.AF_UNIX)
    try:
        client.connect(path)
        print("ESCAPED:", path)
    except OSError as error: print(path, error.strerror)`,
  }),
  ...attacks('bash', {
    'administration tools': `for tool in "mount -t tmpfs none /tmp" "umount -l /proc" "unshare -r id" "nsenter -t 1 -m id" "chroot / id" "su -c id" "sudo id" "insmod x" "sysctl -w kernel.sysrq=1" "swapoff -a" "chown 0:0 /tmp" "dmesg" "iptables -L" "ip link add x type dummy" "docker ps" "crontab -l" "at now"; do
  $tool >/tmp/said 2>&1 && { read -r line </tmp/said; case $line in *uid=0*|*CONTAINER*) echo "ESCAPED: $tool";; esac; }
done
mount -t tmpfs none /tmp 2>/dev/null && echo "ESCAPED: mount"
true`,
  }),
];

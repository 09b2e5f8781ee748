import { type Attack, attacks } from './attack.ts';

/** Tries one kind of socket. Sending or connecting is an escape; an exception is not. */
const tries = (...lines: string[]) => `import os, socket, struct
socket.setdefaulttimeout(1)
def attempt(name, work):
    try:
        work()
        print("ESCAPED:", name)
    except (OSError, AttributeError, ValueError) as error:
        print(name, error)
def connect(family, kind, address, protocol=0):
    client = socket.socket(family, kind, protocol)
    client.settimeout(1)
    client.connect(address)
    return client
${lines.join('\n')}`;

/** All ways to connect to the network and to this machine. */
export const networkAttacks: Attack[] = [
  ...attacks('python', {
    'TCP to the internet': tries(
      'for host in ("1.1.1.1", "8.8.8.8", "192.0.2.1", "10.0.0.1", "172.17.0.1", "192.168.1.1"):',
      '    for port in (53, 80, 443): attempt((host, port), lambda: connect(socket.AF_INET, socket.SOCK_STREAM, (host, port)))',
    ),
    'TCP to this machine': tries(
      'import sys',
      'for host in ["127.0.0.1", "localhost", "0.0.0.0", "127.0.1.1", "host.docker.internal", "gateway.docker.internal"] + sys.argv[1:]:',
      '    for port in ($PORT, 22, 80, 2375, 2376, 5432, 6379, 8080): attempt((host, port), lambda: connect(socket.AF_INET, socket.SOCK_STREAM, (host, port)))',
    ),
    'the metadata service of the cloud': tries(
      'for host in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "metadata.google.internal"):',
      '    attempt(host, lambda: connect(socket.AF_INET, socket.SOCK_STREAM, (host, 80)))',
      'attempt("v6", lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("fd00:ec2::254", 80)))',
    ),
    UDP: tries(
      'for host in ("1.1.1.1", "255.255.255.255", "224.0.0.1", "169.254.169.254"):',
      '    def send():',
      '        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)',
      '        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)',
      '        client.sendto(b"x", (host, 53))',
      '    attempt(host, send)',
    ),
    names: tries(
      'for name in ("example.com", "localhost.example.com", "a" * 60 + ".example.com"):',
      '    attempt(name, lambda: connect(socket.AF_INET, socket.SOCK_STREAM, (name, 80)))',
    ),
    'raw packets': tries(
      'attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))',
      'attempt("raw icmp", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))',
      'attempt("raw v6", lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58))',
      'attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x300))',
    ),
    ICMP: tries(
      'def ping():',
      '    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)',
      '    client.sendto(b"\\x08\\0\\xf7\\xff\\0\\0\\0\\0", ("1.1.1.1", 0))',
      'attempt("ping", ping)',
    ),
    IPv6: tries(
      'for host in ("2606:4700:4700::1111", "fe80::1", "ff02::1", "::ffff:1.1.1.1"):',
      '    attempt(host, lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, (host, 80)))',
      'attempt("::1", lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("::1", $PORT)))',
    ),
    'other protocols': tries(
      'attempt("sctp", lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", $PORT), 132))',
      'attempt("udplite", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136).sendto(b"x", ("1.1.1.1", 53)))',
      'attempt("vsock host", lambda: connect(40, socket.SOCK_STREAM, (2, 1024)))',
      'attempt("vsock hypervisor", lambda: connect(40, socket.SOCK_STREAM, (0, 1024)))',
      'attempt("bluetooth", lambda: socket.socket(31, socket.SOCK_RAW, 1))',
      'attempt("tipc", lambda: connect(30, socket.SOCK_STREAM, (1, 1, 1, 1)))',
    ),
    'abstract sockets of the machine': tries(
      'names = {line.split()[-1] for line in open("/proc/net/unix").read().splitlines()[1:] if len(line.split()) > 7}',
      'for name in names | {"@devlm-canary-$PORT", "@/containerd-shim/devlm.sock", "@/tmp/.X11-unix/X0"}:',
      '    address = "\\0" + name[1:] if name.startswith("@") else name',
      '    attempt(name, lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, address))',
    ),
    'an interface of its own': `import ctypes, fcntl, os, socket, struct
for path in ("/dev/net/tun", "/dev/vhost-net", "/dev/vsock", "/dev/kvm", "/dev/fuse"):
    try:
        os.open(path, os.O_RDWR)
        print("ESCAPED:", path)
    except OSError as error: print(error)
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    fcntl.ioctl(client, 0x8916, struct.pack("16sH2x4s8x", b"lo", socket.AF_INET, socket.inet_aton("10.1.2.3")))
    print("ESCAPED: an address")
except OSError as error: print(error)`,
  }),
  ...attacks('javascript', {
    'fetch and every network module': `
const answers = await Promise.allSettled([
  fetch("http://169.254.169.254/latest/meta-data/", { signal: AbortSignal.timeout(1000) }),
  fetch("http://127.0.0.1:$PORT/", { signal: AbortSignal.timeout(1000) }),
  import("node:dns").then((dns) => dns.promises.resolve("example.com")),
  import("node:http2").then((http2) => new Promise((done, fail) => http2.connect("http://1.1.1.1").on("connect", done).on("error", fail))),
  import("node:dgram").then((dgram) => new Promise((done, fail) => dgram.createSocket("udp4").send("x", 53, "1.1.1.1", (error) => (error ? fail(error) : done())))),
  new Promise((done, fail) => { const s = new WebSocket("ws://127.0.0.1:$PORT"); s.onopen = done; s.onerror = fail; }),
]);
answers.forEach(({ status }, i) => console.log(status === "fulfilled" ? "ESCAPED: " + i : i));
process.exit(0);`,
  }),
  ...attacks('ruby', {
    'every socket of Ruby': `require "socket"
[-> { TCPSocket.new("127.0.0.1", $PORT, connect_timeout: 1) }, -> { UDPSocket.new.send("x", 0, "1.1.1.1", 53) },
 -> { Addrinfo.getaddrinfo("example.com", 80) }, -> { UNIXSocket.new("/var/run/docker.sock") }].each do |work|
  work.call
  puts "ESCAPED"
rescue SystemCallError, SocketError => error
  puts error.message
end`,
  }),
  ...attacks('bash', {
    'network redirections of the shell': `for to in tcp/127.0.0.1/$PORT tcp/169.254.169.254/80 udp/1.1.1.1/53; do
  (echo x >/dev/$to) 2>/dev/null && echo "ESCAPED: $to"
done
true`,
  }),
];

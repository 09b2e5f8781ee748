import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Language } from '@devlm/protocol/execution.ts';
import Docker from 'dockerode';
import * as z from 'zod';
import { findDocker, onPath } from '../../scripts/machine.ts';
import { run } from '../../scripts/run.ts';

/** A Docker engine that tests may use. */
export interface DockerEngine {
  /** URL as in DOCKER_HOST. */
  readonly host: string;
  /** Names of the OCI runtimes that it has, such as `runc` and `runsc`. */
  readonly runtimes: readonly string[];
}

/** A Docker engine of a single test, which may be stopped. Disposing of it removes everything. */
export interface PrivateEngine extends DockerEngine, AsyncDisposable {
  /** Starts the engine again with its images. */
  start(): Promise<void>;
  /** Stops the engine as an operator would, with its containers. */
  stop(): Promise<void>;
  /** Kills the engine as a crash would. Its containers continue to run. */
  kill(): Promise<void>;
}

const prefix = 'devlm-docker-';
const startTimeoutMs = 30_000;
const stopTimeoutMs = 20_000;

/**
 * The engine that all test files of one run share, with the images of these languages. It starts
 * with the first caller, in the process that runs the tests (docker-global-setup.ts), and ends with it.
 */
export async function dockerEngine(
  languages: readonly Language[] = [],
): Promise<DockerEngine & { readonly images: Readonly<Partial<Record<Language, string>>> }> {
  const keeper = process.env['DEVLM_TEST_KEEPER'];
  if (!keeper)
    throw new Error('No engine is kept: docker-global-setup.ts is missing from this part in vitest.config.ts.');
  const response = await fetch(`${keeper}/engine?languages=${languages.join()}`);
  if (!response.ok) throw new Error(await response.text());
  return Kept.parse(await response.json());
}

const Kept = z.object({ host: z.string(), runtimes: z.array(z.string()), images: z.record(z.string(), z.string()) });

/** Returns the engine that the environment names, or null if the tests have to start one. */
export async function givenEngine(): Promise<DockerEngine | null> {
  const found = findDocker();
  return found?.host === undefined ? null : { host: found.host, runtimes: await runtimesOf(found.host) };
}

/** Returns a client with which tests inspect an engine. */
export function dockerClient(host: string): Docker {
  if (host.startsWith('unix://')) return new Docker({ socketPath: host.slice('unix://'.length) });
  // docker-modem reads tcp and ssh from the environment only.
  return new Docker({ host: host.replace(/^tcp:/, 'http:') });
}

/**
 * Starts a real engine in a folder of its own below the system's temporary folder. It creates no bridge and no firewall
 * rules, so the network of the host does not change. Needs root on Linux.
 */
export async function startDockerEngine(): Promise<PrivateEngine> {
  const found = findDocker();
  if (!found?.program)
    throw new Error('A private Docker engine needs root on Linux and dockerd (apt-get install docker.io).');
  await sweepStale();
  const folder = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`));
  const engine = new Engine(found.program, folder);
  try {
    await engine.configure();
    await engine.start();
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
  return engine;
}

class Engine implements PrivateEngine {
  readonly host: string;
  runtimes: readonly string[] = [];
  readonly #program: string;
  readonly #folder: string;
  /** Name of the engine's control group and containerd namespaces, which lets the end find all its processes. */
  readonly #name: string;
  #daemon: ChildProcess | null = null;
  readonly #atExit = () => this.#daemon?.kill('SIGTERM');

  constructor(program: string, folder: string) {
    this.#program = program;
    this.#folder = folder;
    this.#name = basename(folder);
    this.host = `unix://${join(folder, 'docker.sock')}`;
    process.once('exit', this.#atExit);
  }

  async configure(): Promise<void> {
    const runsc = onPath('runsc');
    const settings = {
      'data-root': join(this.#folder, 'data'),
      'exec-root': join(this.#folder, 'exec'),
      pidfile: join(this.#folder, 'docker.pid'),
      hosts: [this.host],
      bridge: 'none',
      iptables: false,
      ip6tables: false,
      'ip-forward': false,
      'ip-masq': false,
      'userland-proxy': false,
      'cgroup-parent': `/${this.#name}`,
      'exec-opts': ['native.cgroupdriver=cgroupfs'],
      'shutdown-timeout': 2,
      // The only platform that needs neither KVM nor a special kernel.
      runtimes: runsc ? { runsc: { path: runsc, runtimeArgs: ['--platform=ptrace', '--network=none'] } } : {},
    };
    await writeFile(join(this.#folder, 'daemon.json'), JSON.stringify(settings));
  }

  async start(): Promise<void> {
    const log = join(this.#folder, 'log');
    const output = openSync(log, 'a');
    // If the tests are killed, the engine ends too.
    const args = ['--pdeathsig', 'TERM', this.#program, '--config-file', join(this.#folder, 'daemon.json')];
    // Without namespaces of its own, the engine would share those of a containerd on this machine.
    args.push('--containerd-namespace', this.#name, '--containerd-plugins-namespace', `${this.#name}-plugins`);
    const daemon = spawn('setpriv', args, { stdio: ['ignore', output, output], detached: true });
    this.#daemon = daemon;
    const deadline = Date.now() + startTimeoutMs;
    while (!(await answers(this.host))) {
      if (daemon.exitCode !== null || Date.now() > deadline) {
        throw new Error(`The Docker engine did not start: ${(await readFile(log, 'utf8')).slice(-2000)}`);
      }
      await sleep(20);
    }
    this.runtimes = await runtimesOf(this.host);
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
    const of = `${join(this.#folder, 'exec/containerd')}/`;
    // Ends its containerd too. The next start would take a leftover file for a running one.
    await endAll((pid) => readProc(pid, 'cmdline').includes(`--config\0${of}`));
    rmSync(join(of, 'containerd.pid'), { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#atExit);
    await this.stop();
    await sweep(this.#folder);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = null;
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const exited = once(daemon, 'exit').then(() => true);
    daemon.kill(signal);
    if (await Promise.race([exited, sleep(stopTimeoutMs, false, { ref: false })])) return;
    daemon.kill('SIGKILL');
    await exited;
  }
}

/**
 * Ends and removes what an engine left: nothing after a stop, shims and containers after a crash. It never throws: what
 * the kernel still holds after 10 seconds is left to a later run, because it says nothing about the tested code.
 */
async function sweep(folder: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      return await tryToSweep(folder);
    } catch (error) {
      // Such as EBUSY for a control group or a mount whose last process has not exited yet.
      if (Date.now() > deadline) return console.warn(`${folder} could not be removed: ${error}`);
      await sleep(200);
    }
  }
}

async function tryToSweep(folder: string): Promise<void> {
  const name = basename(folder);
  const group = new RegExp(`/${name}(/|$)`, 'm');
  await endAll((pid) => isOfEngine(folder, pid) || group.test(readProc(pid, 'cgroup')));
  for (const socket of shimSockets(folder)) rmSync(socket, { force: true });
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const points = mounts.map((line) => line.split(' ')[1] ?? '').filter((point) => point.startsWith(`${folder}/`));
  for (const point of points.reverse()) await run('umount', ['--lazy', point]);
  removeCgroups(name);
  await rm(folder, { recursive: true, force: true });
}

/** Returns the sockets of containerd's shims. They are in one folder for the whole machine and named by a hash. */
function shimSockets(folder: string): string[] {
  const containers = join(folder, 'data/containers');
  if (!existsSync(containers)) return [];
  const address = join(folder, 'exec/containerd/containerd.sock');
  return readdirSync(containers).map((id) => {
    const hash = createHash('sha256')
      .update(join(address, basename(folder), id))
      .digest('hex');
    return join('/run/containerd/s', hash);
  });
}

/** Removes leftovers of killed test runs. */
async function sweepStale(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const owner = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) await sweep(join(tmpdir(), name));
  }
}

function isOfEngine(folder: string, pid: string): boolean {
  const args = readProc(pid, 'cmdline');
  return args.includes(`${folder}/`) && /dockerd|containerd|runsc/.test(args);
}

/** Kills matching processes until none is left. */
async function endAll(of: (pid: string) => boolean): Promise<void> {
  for (let left = pids().filter(of), round = 0; left.length > 0 && round < 200; round++) {
    for (const pid of left) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // The process has already ended.
      }
    }
    await sleep(20);
    left = pids().filter(of);
  }
}

function removeCgroups(name: string): void {
  const top = '/sys/fs/cgroup';
  if (!existsSync(top)) return;
  const removeTree = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeTree(join(folder, entry.name));
    }
    rmdirSync(folder);
  };
  for (const folder of [top, ...readdirSync(top).map((controller) => join(top, controller))]) {
    if (existsSync(join(folder, name))) removeTree(join(folder, name));
  }
}

function pids(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

async function answers(host: string): Promise<boolean> {
  return dockerClient(host)
    .ping()
    .then(() => true)
    .catch(() => false);
}

async function runtimesOf(host: string): Promise<string[]> {
  const info = z.object({ Runtimes: z.record(z.string(), z.unknown()) }).parse(await dockerClient(host).info());
  return Object.keys(info.Runtimes);
}

import type { ExecutionLimits, Language } from '@devlm/protocol/execution.ts';
import type { ContainerCreateOptions } from 'dockerode';
import { languageTable } from '../languages.ts';
import { node } from './boot/node.ts';
import { python } from './boot/python.ts';
import { ruby } from './boot/ruby.ts';
import { shell } from './boot/shell.ts';
import { wrapper } from './boot/wrapper.ts';

/** Labels of the containers of this server. */
export const label = {
  /** Which server it belongs to, by its data folder. */
  server: 'devlm.server',
  /** Which process of that server. */
  launch: 'devlm.launch',
  /** Epoch seconds: older than this it is nobody's. */
  expires: 'devlm.expires',
  /** Known before the engine has given it an id. */
  name: 'devlm.container',
} as const;

/** What is settled when a container is made. Two jobs with the same key can use each other's container. */
export interface ContainerSpec {
  readonly key: string;
  readonly language: Language;
  readonly image: string;
  readonly limits: Pick<ExecutionLimits, 'memoryMb' | 'cpus' | 'processes' | 'fileBytes'>;
  readonly runtime: string | undefined;
}

/** What a container is known by; its labels say it. */
export interface ContainerNames {
  readonly serverId: string;
  readonly launchId: string;
  readonly name: string;
}

/** Age from which a container is nobody's, in milliseconds: it may wait for 10 minutes and then run for an hour. */
const expiresMs = 80 * 60_000;

/** Returns what the engine is told to make: a container without network, rights, or a writable root. */
export function createOptions(spec: ContainerSpec, names: ContainerNames): ContainerCreateOptions {
  const row = languageTable[spec.language];
  const typescript =
    spec.language === 'typescript' ? ['--experimental-transform-types', '--disable-warning=ExperimentalWarning'] : [];
  const boots = {
    python: ['python3', '-c', python],
    node: ['node', ...typescript, '-e', node],
    ruby: ['ruby', '-e', ruby],
    shell: ['sh', '-c', shell, 'sh', row.warmUp ?? ''],
  };
  return {
    Image: spec.image,
    Entrypoint: ['/bin/sh', '-c', wrapper, 'sh'],
    Cmd: boots[row.boot],
    Env: Object.entries({ HOME: '/tmp', LANG: 'C.UTF-8', ...row.env }).map(([key, value]) => `${key}=${value}`),
    User: '65534:65534',
    // Not the folder itself: engines would make it in the image, for root alone.
    WorkingDir: '/',
    Hostname: 'sandbox',
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    OpenStdin: true,
    // Its input ends with the connection: when this server dies, what waits ends by itself.
    StdinOnce: true,
    Tty: false,
    StopSignal: 'SIGKILL',
    Healthcheck: { Test: ['NONE'] },
    Labels: {
      [label.server]: names.serverId,
      [label.launch]: names.launchId,
      [label.expires]: String(Math.ceil((Date.now() + expiresMs) / 1000)),
      [label.name]: names.name,
    },
    HostConfig: hostConfig(spec),
  };
}

/** Returns the limits and the walls of a container. */
function hostConfig({ limits, runtime }: ContainerSpec): ContainerCreateOptions['HostConfig'] {
  const memory = limits.memoryMb * 1024 * 1024;
  // Memory is what really bounds them: each byte in them counts as the program's.
  const tmpfs = `rw,exec,nosuid,nodev,mode=1777,uid=65534,gid=65534,nr_inodes=65536,size=${memory}`;
  return {
    ...(runtime === undefined ? {} : { Runtime: runtime }),
    NetworkMode: 'none',
    ReadonlyRootfs: true,
    Tmpfs: { '/tmp': tmpfs, '/sandbox': tmpfs },
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    // The first process is ours; a runtime with a kernel of its own, such as gVisor, has its threads counted too.
    PidsLimit: limits.processes + (runtime === undefined || runtime === 'runc' ? 1 : 128),
    Memory: memory,
    MemorySwap: memory,
    CpuPeriod: 100_000,
    CpuQuota: Math.round(limits.cpus * 100_000),
    Ulimits: [
      { Name: 'nofile', Soft: 1024, Hard: 1024 },
      { Name: 'fsize', Soft: limits.fileBytes, Hard: limits.fileBytes },
      { Name: 'core', Soft: 0, Hard: 0 },
    ],
    LogConfig: { Type: 'none', Config: {} },
    RestartPolicy: { Name: 'no' },
  };
}

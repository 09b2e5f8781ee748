import type { ExecutionLimits, Language } from '@devlm/protocol/execution.ts';
import type { ContainerCreateOptions } from 'dockerode';
import { languageTable } from '../languages.ts';
import { node } from './boot/node.ts';
import { python } from './boot/python.ts';
import { ruby } from './boot/ruby.ts';
import { shell } from './boot/shell.ts';
import { wrapper } from './boot/wrapper.ts';

/** Names of the labels that this server sets on its containers. */
export const label = {
  /** ID of the server that owns the container, derived from its data folder. */
  server: 'devlm.server',
  /** ID of the server process that created the container. */
  launch: 'devlm.launch',
  /** Time after which any server may remove the container, in seconds since the epoch. */
  expires: 'devlm.expires',
  /** Name of the container, which is known before the engine has assigned an ID. */
  name: 'devlm.container',
} as const;

/** Properties that are fixed when a container is created. */
export interface ContainerSpec {
  /** Key of the container kind. Jobs with the same key can use the same containers. */
  readonly key: string;
  readonly language: Language;
  readonly image: string;
  readonly limits: Pick<ExecutionLimits, 'memoryMb' | 'cpus' | 'processes' | 'fileBytes'>;
  readonly runtime: string | undefined;
}

/** Identifiers of a container, which are stored in its labels. */
export interface ContainerNames {
  readonly serverId: string;
  readonly launchId: string;
  readonly name: string;
}

/**
 * Age after which any server may remove a container, in milliseconds. A container may wait for 10 minutes and then run
 * for an hour.
 */
const expiresMs = 80 * 60_000;

/** Returns the engine's options for a container without a network, without capabilities and with a read-only root. */
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
    // Not /sandbox: engines would create that folder in the image, writable by root only.
    WorkingDir: '/',
    Hostname: 'sandbox',
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    OpenStdin: true,
    // The input ends with the connection, so that waiting containers end by themselves when this server dies.
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

/** Returns the resource limits and isolation options of a container. */
function hostConfig({ limits, runtime }: ContainerSpec): ContainerCreateOptions['HostConfig'] {
  const memory = limits.memoryMb * 1024 * 1024;
  // The memory limit is the effective bound: each byte in a tmpfs counts as the program's memory.
  const tmpfs = `rw,exec,nosuid,nodev,mode=1777,uid=65534,gid=65534,nr_inodes=65536,size=${memory}`;
  return {
    ...(runtime === undefined ? {} : { Runtime: runtime }),
    NetworkMode: 'none',
    ReadonlyRootfs: true,
    Tmpfs: { '/tmp': tmpfs, '/sandbox': tmpfs },
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    // One more for our first process. For a runtime with its own kernel, such as gVisor, the threads of the kernel
    // count too.
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

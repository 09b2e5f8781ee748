import { readFile } from 'node:fs/promises';

/** Memory and processor time of a process and its descendants. */
export interface ProcessUsage {
  /** Resident memory, in bytes. */
  readonly rss: number;
  /** Processor time, in milliseconds. */
  readonly cpuMs: number;
}

/** Duration of a tick in /proc/PID/stat, in milliseconds. It is 10 ms whatever the kernel's own clock is. */
const msPerTick = 10;
/** Size of a memory page, in bytes. */
const pageBytes = 4096;

/** Returns the usage of a process and its descendants, or null if there is no /proc or the process has ended. */
async function usageOf(pid: number): Promise<ProcessUsage | null> {
  if (process.platform !== 'linux') return null;
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is a name in parentheses, which may contain any character.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    const descendants = await Promise.all(
      children
        .split(' ')
        .filter(Boolean)
        .map((child) => usageOf(Number(child))),
    );
    return {
      rss: descendants.reduce((sum, usage) => sum + (usage?.rss ?? 0), Number(fields[21]) * pageBytes),
      cpuMs: descendants.reduce(
        (sum, usage) => sum + (usage?.cpuMs ?? 0),
        (Number(fields[11]) + Number(fields[12])) * msPerTick,
      ),
    };
  } catch {
    return null;
  }
}

/**
 * Polls the memory of a process until `stop` is called.
 *
 * @param allowanceBytes memory that the process may take in addition to its current memory, in bytes
 * @param onExceeded called each time the process has more memory than that
 */
export function watchMemory(pid: number, allowanceBytes: number, onExceeded: () => void): { stop(): ProcessUsage } {
  let first: ProcessUsage | null = null;
  let last: ProcessUsage | null = null;
  let peak = 0;
  let busy = false;
  const poll = async () => {
    if (busy) return;
    busy = true;
    const usage = await usageOf(pid);
    busy = false;
    if (!usage) return;
    first ??= usage;
    last = usage;
    peak = Math.max(peak, usage.rss);
    if (usage.rss - first.rss > allowanceBytes) onExceeded();
  };
  void poll();
  const timer = setInterval(() => void poll(), 50);
  return {
    stop() {
      clearInterval(timer);
      return { rss: peak, cpuMs: (last?.cpuMs ?? 0) - (first?.cpuMs ?? 0) };
    },
  };
}

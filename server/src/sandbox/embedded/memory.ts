import { readFile } from 'node:fs/promises';

/** What a process and all below it have of the memory, and have used of the processors. */
export interface Usage {
  /** Bytes. */
  readonly rss: number;
  /** Milliseconds. */
  readonly cpuMs: number;
}

/** Linux counts them in hundredths of a second, whatever the kernel's own clock is. */
const msPerTick = 10;
const pageBytes = 4096;

/** Null where the system has no /proc, or the process is gone. */
async function usageOf(pid: number): Promise<Usage | null> {
  if (process.platform !== 'linux') return null;
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is a name in brackets, which can hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    const below = await Promise.all(
      children
        .split(' ')
        .filter(Boolean)
        .map((child) => usageOf(Number(child))),
    );
    return {
      rss: below.reduce((sum, usage) => sum + (usage?.rss ?? 0), Number(fields[21]) * pageBytes),
      cpuMs: below.reduce(
        (sum, usage) => sum + (usage?.cpuMs ?? 0),
        (Number(fields[11]) + Number(fields[12])) * msPerTick,
      ),
    };
  } catch {
    return null;
  }
}

/**
 * Looks at a process until `stop`, and says when it has more memory than it may.
 *
 * @param allowance bytes on top of what it has now
 */
export function watchMemory(pid: number, allowance: number, tooMuch: () => void): { stop(): Usage } {
  let first: Usage | null = null;
  let last: Usage | null = null;
  let peak = 0;
  let busy = false;
  const look = async () => {
    if (busy) return;
    busy = true;
    const usage = await usageOf(pid);
    busy = false;
    if (!usage) return;
    first ??= usage;
    last = usage;
    peak = Math.max(peak, usage.rss);
    if (usage.rss - first.rss > allowance) tooMuch();
  };
  void look();
  const timer = setInterval(() => void look(), 50);
  return {
    stop() {
      clearInterval(timer);
      return { rss: peak, cpuMs: (last?.cpuMs ?? 0) - (first?.cpuMs ?? 0) };
    },
  };
}

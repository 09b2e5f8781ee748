import { useEffect, useState } from 'preact/hooks';

/** Time for which a button confirms that it has copied, in milliseconds. */
const confirmMs = 1_500;

/** Returns whether something was copied just now, and a function that reports a copy. */
export function useCopied(): [copied: boolean, reportCopied: () => void] {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), confirmMs);
    return () => clearTimeout(timer);
  }, [copied]);
  return [copied, () => setCopied(true)];
}

/**
 * Compares dotted versions numerically. Returns a negative number if `a` is older. A pre-release (`1.2.0-beta.1`) is
 * older than its release; pre-releases of the same release are compared as text.
 */
export function compareVersions(a: string, b: string): number {
  const [aCore = '', aTag = ''] = a.split(/-(.*)/s);
  const [bCore = '', bTag = ''] = b.split(/-(.*)/s);
  const aParts = aCore.split('.').map(Number);
  const bParts = bCore.split('.').map(Number);
  for (let i = 0; i < Math.max(aParts.length, bParts.length); i++) {
    const difference = (aParts[i] ?? 0) - (bParts[i] ?? 0);
    if (difference !== 0) return difference;
  }
  if (aTag === bTag) return 0;
  if (aTag === '') return 1;
  if (bTag === '') return -1;
  return aTag < bTag ? -1 : 1;
}

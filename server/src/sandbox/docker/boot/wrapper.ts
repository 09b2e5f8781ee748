/**
 * Program of the first process of every container. It starts the boot program (`"$@"`) on the container's own input and
 * outputs. When the boot program has ended, it kills all remaining processes and writes a mark that the program cannot
 * know to both outputs. After the mark, standard output carries how the program ended and an archive of `/sandbox/out`.
 *
 * It is POSIX sh and starts no program except tar, so that it runs in busybox and Debian alike. Builtins read the
 * counters, because no process can be started once the process limit is reached.
 */
export const wrapper = String.raw`
cd /sandbox || exit 1
IFS= read -r nonce || exit 0
exec 4>&2 2>/dev/null
"$@" 2>&4 4>&-
code=$?
kill -9 -1
printf %s "$nonce" >&4
oom=- cpu=- peak=- out=-
c=/sys/fs/cgroup
if [ -r $c/memory.events ]; then
  while read -r k v; do [ "$k" = oom_kill ] && oom=$v; done <$c/memory.events
  [ -r $c/cpu.stat ] && while read -r k v; do [ "$k" = usage_usec ] && cpu=$v"000"; done <$c/cpu.stat
  [ -r $c/memory.peak ] && read -r peak <$c/memory.peak
else
  [ -r $c/memory/memory.oom_control ] &&
    while read -r k v; do [ "$k" = oom_kill ] && oom=$v; done <$c/memory/memory.oom_control
  [ -r $c/cpuacct/cpuacct.usage ] && read -r cpu <$c/cpuacct/cpuacct.usage
  [ -r $c/memory/memory.max_usage_in_bytes ] && read -r peak <$c/memory/memory.max_usage_in_bytes
fi
# A link in its place would lead elsewhere.
[ -L /sandbox/out ] || for f in /sandbox/out/* /sandbox/out/.[!.]*; do
  if [ -e "$f" ] || [ -L "$f" ]; then out=tar; break; fi
done
printf '%s%s %s %s %s %s\n' "$nonce" "$code" "$oom" "$cpu" "$peak" "$out"
[ $out = tar ] && tar -cf - -C /sandbox/out .
exit $code
`;

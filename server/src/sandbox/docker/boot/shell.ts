/**
 * Boot program for languages without a preloaded interpreter. It reads the size of a script and the number of 64 KiB
 * blocks of an archive, then the script, the archive and nothing beyond them. The script sets the environment variables
 * and is replaced by the command. If `$1` is given, it runs as a warm-up command before the program waits.
 */
export const shell = String.raw`
[ -z "$1" ] || sh -c "$1" </dev/null >/dev/null 2>&1
printf 'ready\n'
IFS=' ' read -r size blocks || exit 0
script=$(dd bs="$size" count=1 iflag=fullblock 2>/dev/null)
dd bs=65536 count="$blocks" iflag=fullblock 2>/dev/null | tar -xf - -C /sandbox || exit 125
eval "unset size blocks script; $script"
`;

/**
 * For languages whose program is started when it is there. Reads the size of a script and the
 * number of 64 KiB blocks of an archive, then the two and nothing beyond them; the script sets the
 * variables and becomes the command. `$1`, where given, is run before it waits.
 */
export const shell = String.raw`
[ -z "$1" ] || sh -c "$1" </dev/null >/dev/null 2>&1
printf 'ready\n'
IFS=' ' read -r size blocks || exit 0
script=$(dd bs="$size" count=1 iflag=fullblock 2>/dev/null)
dd bs=65536 count="$blocks" iflag=fullblock 2>/dev/null | tar -xf - -C /sandbox || exit 125
eval "unset size blocks script; $script"
`;

/**
 * Relay program that connects a container without a network to the proxy of this process. It listens on loopback at
 * port `$ARGV[0]` and carries the connections over its own standard input and output. A frame consists of a connection
 * number, a length (both 32 bits, big endian) and the bytes. The first frame of length 0 opens a connection, the next
 * one ends it. The program is written in Perl, because every Debian image contains Perl and it takes only 5 MB of memory.
 */
export const relay = String.raw`
use strict; use IO::Socket::INET; use IO::Select;
$SIG{PIPE} = 'IGNORE';
my $listener = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1', LocalPort => $ARGV[0], ReuseAddr => 1) or die "no port: $!";
my $select = IO::Select->new($listener, \*STDIN);
my (%socket, %number, $last);
my $input = '';
sub put { my ($to, $bytes) = @_; while (length $bytes) { my $n = syswrite($to, $bytes); return 0 unless defined $n; substr($bytes, 0, $n) = '' } 1 }
sub frame { my ($number, $bytes) = @_; put(\*STDOUT, pack('NN', $number, length $bytes) . $bytes) or exit }
sub leave { my ($number) = @_; my $handle = delete $socket{$number} or return; delete $number{fileno $handle}; $select->remove($handle); close $handle }
put(\*STDOUT, "ready\n");
while (1) {
  for my $handle ($select->can_read) {
    my $fd = fileno $handle;
    # Closed on account of one before it.
    next unless defined $fd;
    if ($handle == $listener) {
      my $new = $listener->accept or next;
      $socket{++$last} = $new; $number{fileno $new} = $last; $select->add($new); frame($last, '');
    } elsif ($fd == 0) {
      sysread(STDIN, $input, 65536, length $input) or exit;
      while (length $input >= 8) {
        my ($number, $length) = unpack 'NN', $input;
        last if length $input < 8 + $length;
        my $bytes = substr $input, 8, $length;
        substr($input, 0, 8 + $length) = '';
        if (!$length) { leave($number) } elsif ($socket{$number} && !put($socket{$number}, $bytes)) { leave($number); frame($number, '') }
      }
    } else {
      my $number = $number{$fd} or next;
      my $got = sysread $handle, my $bytes, 16384;
      if ($got) { frame($number, $bytes) } else { leave($number); frame($number, '') }
    }
  }
}
`;

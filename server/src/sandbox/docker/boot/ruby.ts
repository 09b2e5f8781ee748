/**
 * Boot program for Ruby. It waits with the interpreter loaded. It reads one frame (see frame.ts) and nothing beyond it,
 * writes the files, then runs the entry as `ruby entry` would: with the same `$0`, `__FILE__`, `DATA` and backtraces.
 */
export const ruby = String.raw`
require "json"
lambda do
  read = lambda do |size|
    bytes = String.new(capacity: size)
    bytes << STDIN.sysread([size - bytes.bytesize, 1 << 20].min) while bytes.bytesize < size
    bytes
  rescue EOFError
    exit!(0)
  end
  folder = lambda do |path|
    parent = File.dirname(path)
    next if Dir.exist?(parent)
    folder.call(parent)
    Dir.mkdir(parent)
  end
  Dir.mkdir("out") unless Dir.exist?("out")
  STDOUT.syswrite("ready\n")
  frame = JSON.parse(read.call(read.call(8).to_i(16)).force_encoding("UTF-8"))
  frame["files"].each do |path, size|
    folder.call(path)
    File.binwrite(path, read.call(size))
  end
  ENV.update(frame["env"])
  exec("/bin/sh", "-c", 'exec "$0" "$@"', *frame["command"]) if frame["command"]
  ARGV.replace(frame["args"])
  $0 = entry = frame["entry"]
  File.open(entry, "rb") do |file|
    while (line = file.gets)
      next unless line.chomp == "__END__"
      data = File.open(entry)
      data.seek(file.pos)
      Object.const_set(:DATA, data)
      break
    end
  end
  begin
    RubyVM::InstructionSequence.compile_file(entry).eval
  rescue SystemExit
    raise
  rescue Exception => error
    own = ->(line) { line.to_s.start_with?("-e:") || line.to_s.include?("RubyVM::InstructionSequence") }
    begin
      error.set_backtrace(error.backtrace_locations.reject(&own))
    rescue TypeError, NoMethodError
      error.set_backtrace((error.backtrace || []).reject(&own))
    end
    raise error
  end
end.call
`;

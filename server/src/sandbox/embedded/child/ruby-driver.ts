/**
 * Driver that runs inside Ruby and does what `ruby` does around a program. It keeps its own frames out of backtraces
 * and runs the `at_exit` blocks, which an interpreter that never exits would not run.
 */
export const rubyDriver = String.raw`
module Devlm
  EXITS = []

  class << self
    def ready
      require 'json'
      Dir.chdir('/sandbox')
      $stdout.sync = $stderr.sync = true
      begin
        {}.fetch(:a)
      rescue KeyError => error
        error.full_message(highlight: false)
      end
      RUBY_VERSION
    end

    def run(text)
      task = JSON.parse(text)
      ENV.replace(task['env'])
      ARGV.replace(task['args'])
      $LOAD_PATH.unshift(*task['include'].map { |path| File.expand_path(path) })
      error = guarded do
        task['require'].each { |name| require name }
        start(task['program'])
      end
      ending = note(error, [0, false])
      while (block = EXITS.pop)
        later = guarded(error) { block.call }
        next if later.nil?
        error = later
        ending = note(error, ending)
      end
      JSON.generate('exitCode' => ending[0], 'outOfMemory' => ending[1])
    end

    private

    def start(program)
      if program['kind'] == 'code'
        $0 = '-e'
        eval(program['code'], TOPLEVEL_BINDING, '-e', 1)
      else
        path = File.expand_path(program['path'])
        unless File.file?(path)
          $stderr.puts "ruby: No such file or directory -- #{program['path']} (LoadError)"
          exit 1
        end
        $0 = path
        load path
      end
    end

    def guarded(before = nil)
      if before
        begin
          raise before
        rescue Exception
          yield
        end
      else
        yield
      end
      nil
    rescue Exception => error
      error.equal?(before) ? nil : error
    end

    def note(error, before)
      return before if error.nil?
      return [error.status, before[1]] if error.is_a?(SystemExit)
      GC.start if error.is_a?(NoMemoryError)
      begin
        own = (error.backtrace || []).reject { |line| line.start_with?('<devlm>', 'eval:', '-e:in ') || line.end_with?(":in 'Kernel.eval'") }
        error.set_backtrace(own.map { |line| line.sub("in '<top (required)>'", "in '<main>'") })
        $stderr.write(error.full_message(highlight: false, order: :top))
      rescue Exception
        $stderr.write("#{error.class}\n")
      end
      [1, before[1] || error.is_a?(NoMemoryError)]
    end
  end
end

module Kernel
  def at_exit(&block)
    raise ArgumentError, 'called without block' unless block
    Devlm::EXITS << block
    block
  end
  module_function :at_exit
end
`;

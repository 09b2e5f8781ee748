/**
 * Driver that runs inside Python, from the snapshot, and does what `python3` does around a program. It keeps its own
 * frames out of tracebacks, ends programs as `python3` does, and provides an event loop that needs no browser.
 */
export const pythonDriver = String.raw`
def _devlm_driver():
    import asyncio, asyncio.base_events, asyncio.runners, builtins, io, json, linecache, os, random, runpy, sys, time, traceback, types
    import collections, contextlib, copy, csv, dataclasses, datetime, decimal, enum, functools, itertools, math
    import operator, re, statistics, string, textwrap, typing, unittest, unittest.mock, warnings, __future__, abc, heapq, bisect, hashlib, base64, uuid, pathlib, tempfile, shutil, argparse, logging, pprint, fractions, struct, zlib, inspect, secrets, threading, queue

    class Loop(asyncio.base_events.BaseEventLoop):
        """Waits by sleeping: there is nothing else to wait for in here."""

        def __init__(self):
            super().__init__()
            self._selector = self

        def select(self, timeout):
            if timeout is None:
                raise RuntimeError('deadlock: nothing is left that could wake this event loop')
            if timeout > 0:
                time.sleep(timeout)
            return []

        def _process_events(self, events):
            pass

        def _write_to_self(self):
            pass

        async def shutdown_default_executor(self, timeout=None):
            pass

        def run_in_executor(self, executor, func, *args):
            future = self.create_future()
            try:
                future.set_result(func(*args))
            except Exception as error:
                future.set_exception(error)
            return future

    def run(main, *, debug=None, loop_factory=None):
        if asyncio._get_running_loop() is not None:
            raise RuntimeError('asyncio.run() cannot be called from a running event loop')
        with asyncio.runners.Runner(debug=debug, loop_factory=loop_factory or Loop) as runner:
            return runner.run(main)

    def install_asyncio():
        asyncio.events._set_running_loop(None)
        asyncio.run = asyncio.runners.run = run
        asyncio.new_event_loop = asyncio.events.new_event_loop = Loop
        asyncio.EventLoop = Loop
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            asyncio.events._event_loop_policy = None

            class Policy(asyncio.events._BaseDefaultEventLoopPolicy):
                _loop_factory = Loop

            asyncio.events._set_event_loop_policy(Policy())

    def stream(number, mode, errors):
        raw = io.FileIO(number, mode, closefd=False)
        if mode == 'rb':
            return io.TextIOWrapper(io.BufferedReader(raw, 65536), encoding='utf-8', errors=errors)
        return io.TextIOWrapper(raw, encoding='utf-8', errors=errors, write_through=True, newline='\n')

    def streams():
        sys.stdin = sys.__stdin__ = stream(0, 'rb', 'strict')
        sys.stdout = sys.__stdout__ = stream(1, 'wb', 'strict')
        sys.stderr = sys.__stderr__ = stream(2, 'wb', 'backslashreplace')

    def report(error):
        """The traceback without the driver's frames."""
        def own(tb):
            while tb is not None and tb.tb_frame.f_code.co_filename in hidden:
                tb = tb.tb_next
            return tb
        seen = set()
        chained = error
        while chained is not None and id(chained) not in seen:
            seen.add(id(chained))
            chained.__traceback__ = own(chained.__traceback__)
            chained = chained.__cause__ or chained.__context__
        if sys.excepthook is not sys.__excepthook__:
            sys.excepthook(type(error), error, error.__traceback__)
        else:
            traceback.print_exception(error)

    hidden = {'<exec>', '<devlm>', '<frozen runpy>', runpy.__file__}

    def code_of_exit(error):
        if error.code is None:
            return 0
        if isinstance(error.code, int):
            return error.code & 255
        print(error.code, file=sys.stderr)
        return 1

    def start(program, args):
        kind = program['kind']
        main = types.ModuleType('__main__')
        main.__builtins__ = builtins
        sys.modules['__main__'] = main
        if kind == 'code':
            sys.argv, sys.path[0] = ['-c', *args], ''
            linecache.cache['<string>'] = (len(program['code']), None, program['code'].splitlines(True), '<string>')
            exec(compile(program['code'], '<string>', 'exec'), main.__dict__)
        elif kind == 'module':
            sys.argv, sys.path[0] = ['-m', *args], os.getcwd()
            runpy._run_module_as_main(program['name'])
        else:
            path = os.path.join(os.getcwd(), program['path'])
            sys.argv, sys.path[0] = [program['path'], *args], os.path.dirname(path)
            main.__file__ = path
            try:
                with open(path, 'rb') as file:
                    source = file.read()
            except OSError as error:
                print(f"python3: can't open file '{path}': [Errno {error.errno}] {error.strerror}", file=sys.stderr)
                raise SystemExit(2)
            exec(compile(source, path, 'exec'), main.__dict__)

    def ready():
        import _devlm_host

        def sleep(seconds):
            if seconds < 0:
                raise ValueError('sleep length must be non-negative')
            _devlm_host.sleep(seconds * 1000)

        time.sleep = sleep
        install_asyncio()
        os.makedirs('/sandbox', exist_ok=True)
        os.chdir('/sandbox')
        os.environ.clear()
        os.environ.update(PATH='/usr/local/bin:/usr/bin:/bin', HOME='/sandbox', LANG='C.UTF-8', PWD='/sandbox')
        streams()
        # What every program passes is compiled by now.
        scope = {}
        exec(compile('import sys\nfor i in range(2): x = f"{i}"\nclass A: pass\ndef f(*a, **k): return [n for n in a]\nf(1)', '<warm>', 'exec'), scope)
        try:
            1 / 0
        except ZeroDivisionError as error:
            ''.join(traceback.format_exception(error))
        json.loads(json.dumps({'a': [1, 2.5, None]}))
        linecache.clearcache()
        return sys.version.split()[0]

    def run_program():
        import atexit
        import _devlm_host
        task = json.loads(_devlm_host.task())
        os.environ.update(task['env'])
        random.seed()
        code, out_of_memory = 0, False
        def ended(error):
            nonlocal code, out_of_memory
            if isinstance(error, SystemExit):
                code = code_of_exit(error)
                return
            code = 1
            if isinstance(error, KeyboardInterrupt):
                code = 130
            chained = error
            while chained is not None and not out_of_memory:
                out_of_memory = isinstance(chained, MemoryError)
                chained = chained.__cause__ or chained.__context__
            try:
                report(error)
            except BaseException:
                pass
        try:
            start(task['program'], task['args'])
        except BaseException as error:
            ended(error)
        try:
            atexit._run_exitfuncs()
        except BaseException as error:
            ended(error)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BaseException:
                pass
        return '{"exitCode": %d, "outOfMemory": %s}' % (code, 'true' if out_of_memory else 'false')

    return ready, run_program

_devlm_ready, _devlm_run = _devlm_driver()
del _devlm_driver
`;

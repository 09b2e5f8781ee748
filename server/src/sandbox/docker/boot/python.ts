/**
 * Boot program for Python. It waits with the interpreter loaded. It reads one frame (see frame.ts) and nothing beyond
 * it, writes the files, then runs the entry as `python3 entry` would: with the same `__main__`, path and tracebacks.
 */
export const python = String.raw`
def boot():
    import json, os, sys

    def read(size):
        parts = []
        while size:
            part = os.read(0, min(size, 1 << 20))
            if not part:
                os._exit(0)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    os.makedirs("out", exist_ok=True)
    os.write(1, b"ready\n")
    frame = json.loads(read(int(read(8), 16)))
    for path, size in frame["files"]:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "wb") as file:
            file.write(read(size))
    os.environ.update(frame["env"])
    if frame["command"]:
        os.execv("/bin/sh", ["sh", "-c", 'exec "$0" "$@"', *frame["command"]])
    sys.argv = [frame["entry"], *frame["args"]]
    path = os.path.abspath(frame["entry"])
    sys.path[0] = os.path.dirname(path)
    main = type(sys)("__main__")
    main.__file__ = path
    main.__builtins__ = __builtins__
    main.__cached__ = None
    sys.modules["__main__"] = main
    try:
        with open(path, "rb") as file:
            source = file.read()
        exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        own = error.__traceback__.tb_next
        sys.excepthook(type(error), error.with_traceback(own), own)
        sys.exit(1)

boot()
`;

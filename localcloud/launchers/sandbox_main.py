"""What a sandbox's process runs first, in the function's own interpreter: standard library only, any Python 3.

    python -S sandbox_main.py <parent's pid> <handler>

Asks Linux to end it when the cloud dies, leaves no trace of itself on the module path, then becomes AWS's runtime
client. With _DEBUG_PORT it listens there for a debugger first, by the debugpy of the folder _DEBUGPY.
"""

import runpy
import sys


def debug() -> None:
    """Listen for a debugger if a port is given."""
    import os

    port, folder = os.environ.pop("_DEBUG_PORT", ""), os.environ.pop("_DEBUGPY", "")
    if not port:
        return
    import socket
    import time

    ends = time.monotonic() + 10
    while True:
        with socket.socket() as probe:  # the process before this one may be about to leave the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", int(port)))
                break
            except OSError as error:
                if time.monotonic() > ends:
                    print("no debugger can attach at port", port, error)  # noqa: T201 - the function's log
                    return
        time.sleep(0.05)
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # it would warn of Python's own frozen modules
    sys.path.append(folder)
    import debugpy  # noqa: T100 - a person wants it

    debugpy.listen(("127.0.0.1", int(port)))  # noqa: T100


def main() -> None:
    """Become the runtime client."""
    parent, handler = sys.argv[1:3]
    del sys.path[0]  # this script's folder
    if sys.platform == "linux":
        import ctypes
        import os
        import signal

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != int(parent):
            sys.exit(1)
    debug()
    sys.argv = ["awslambdaric", handler]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

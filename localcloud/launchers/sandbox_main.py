"""What a sandbox's process runs first, in the function's own interpreter: standard library only, any Python 3.

    python -S sandbox_main.py <parent's pid> <handler>

Asks Linux to end it when the cloud dies, leaves no trace of itself on the module path, then becomes AWS's runtime
client.
"""

import runpy
import sys


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
    sys.argv = ["awslambdaric", handler]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

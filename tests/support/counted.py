"""Run Invoke and count what it costs: `python counted.py RECORD ARGUMENT...`, the record being a JSON file.

Counted are: programs started, modules imported, other files read below the packages' folders, bytes of requests to a
registry, peak memory. None of it hangs on how busy the machine is. The standard library is left out, as each
Python has another. Nothing is imported here that isn't imported anyway.
"""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path
from typing import Any

_STARTS = {"subprocess.Popen": 1, "os.posix_spawn": 1, "os.exec": 1}
"""Events of the audit hook by which another program starts, and which of the arguments is its argv."""
_CODE = (".py", ".pyc", ".so")
programs: list[list[str]] = []
files: set[str] = set()
sent = [0]


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _STARTS:
        programs.append([os.fsdecode(word) for word in arguments[_STARTS[event]]])
    elif event == "os.fork":
        programs.append(["fork"])
    elif event == "open" and isinstance(arguments[0], str):
        name = arguments[0]
        if "site-packages" in name and not name.endswith(_CODE) and ".pyc." not in name:
            files.add(name.rpartition("site-packages/")[2])


def _count_uploads() -> None:
    """Count the bytes of requests whose path is a registry's; urllib3 sends all by the library's `send`."""
    from http import client

    connection: Any = client.HTTPConnection
    begin, send = connection.putrequest, connection.send

    def putrequest(self: Any, method: str, url: str, *args: Any, **named: Any) -> Any:
        self.to_registry = url.startswith("/v2/")
        return begin(self, method, url, *args, **named)

    def counting(self: Any, data: Any) -> Any:
        if getattr(self, "to_registry", False) and isinstance(data, (bytes, bytearray, memoryview)):
            sent[0] += len(data)
        return send(self, data)

    connection.putrequest, connection.send = putrequest, counting


def _peak() -> float:
    """Return the most memory that this process had, in MB; getrusage(2) has that of who forked it."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _write(record: str) -> None:
    own = [name for name in sys.modules if not name.startswith("_")]
    modules = [name for name in own if name.partition(".")[0] not in sys.stdlib_module_names]
    import json

    counts = {
        "programs": programs,
        "modules": sorted(modules),
        "files": sorted(files),
        "sent": sent[0],
        "memory": _peak() if sys.platform == "linux" else None,
    }
    Path(record).write_text(json.dumps(counts), encoding="utf-8")


if __name__ == "__main__":
    _count = sys.argv.pop(1)
    sys.path[0] = str(Path.cwd())  # as `python -m invoke` has it
    atexit.register(_write, _count)
    sys.addaudithook(_hook)
    if "--list" not in sys.argv:
        _count_uploads()
    import runpy

    runpy.run_module("invoke", run_name="__main__", alter_sys=True)

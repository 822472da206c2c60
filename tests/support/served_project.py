"""A small project that `inv serve` serves, as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import urllib3
import yaml
from live_project import DOCKERFILE, PYTHON

from stepladder.core.image_facts import ARCHITECTURE, machine

HANDLER = """\
import logging
import os
import time

SAYS = "one"

def handler(event, context):
    if "records" in event:
        return {"count": len(event["records"]), "name": context.function_name}
    path = event["rawPath"]
    logging.getLogger().info("asked for %s", path)
    if path == "/fail":
        raise KeyError("no")
    while path == "/slow" and not os.path.exists(os.environ["GO_ON"]):
        time.sleep(0.01)
    if path == "/environment":
        return {"pid": os.getpid(), "colour": os.environ["COLOUR"], "key": os.environ.get("AWS_ACCESS_KEY_ID")}
    return {"statusCode": 200, "body": SAYS, "headers": {"x-query": event["rawQueryString"]}}
"""
ERROR_LINE = 1 + HANDLER.splitlines().index('        raise KeyError("no")')


class Served:
    """A project, and the process that serves it.

    Where the settings name its handler (`named`), the image's own is another. A request of `/slow` ends when the file
    `go_on` is there.
    """

    def __init__(
        self, root: Path, *, timeout: int = 60, builder: str = "layers", python: str = PYTHON, named: bool = False
    ) -> None:
        self.root = root
        self.go_on = root / "go-on"
        at = {"account": "123456789012", "region": "eu-west-1"}
        raw = {
            "project": "orders",
            "python": python,
            "architecture": ARCHITECTURE[machine()],
            "trigger": "url",
            "rungs": ["staging", "production"],
            "environments": {"staging": dict(at), "production": dict(at)},
            "function": {
                "environment": {"COLOUR": "red", "GO_ON": str(self.go_on)},
                "timeout_seconds": timeout,
                "handler": "app.handler.handler" if named else "",
            },
            "image": {"builder": builder},
        }
        self.write("invoke.yaml", yaml.safe_dump({"stepladder": raw}))
        self.write("tasks.py", "from stepladder.collections import namespace\n\nns = namespace()\n")
        dockerfile = DOCKERFILE.format(python=python)
        if named:
            dockerfile = dockerfile.replace("app.handler.handler", "app.other.handler")
            self.write("function/app/other.py", "def handler(event, context):\n    return {'statusCode': 404}\n")
        self.write("function/Dockerfile", dockerfile)
        self.write("function/app/__init__.py", "")
        self.handler = self.write("function/app/handler.py", HANDLER)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start(self, *flags: str) -> None:
        """Start it, without a word of AWS in its environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_") and name != "CI"}
        with (self.root / "printed").open("w") as printed:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "invoke", "serve", "--port", "0", *flags],
                cwd=self.root,
                env={**kept, "HOME": str(self.root)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=printed,
                text=True,
            )
        assert self.child.stdout is not None
        self.url = self.child.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), self.printed

    def stop(self) -> None:
        """End it if it still runs."""
        if self.child.poll() is None:
            self.end(signal.SIGKILL)

    def end(self, number: int) -> int:
        self.child.send_signal(number)
        code = self.child.wait(60)
        assert self.child.stdout is not None
        self.child.stdout.close()
        return code

    @property
    def printed(self) -> str:
        return (self.root / "printed").read_text()

    def get(self, path: str, method: str = "GET", **options: Any) -> urllib3.BaseHTTPResponse:
        return urllib3.request(method, self.url.rstrip("/") + path, timeout=60, retries=False, **options)

    def say(self, word: str) -> None:
        self.handler.write_text(HANDLER.replace('"one"', f'"{word}"'))

    @property
    def processes(self) -> list[str]:
        """The command lines of what runs for this project."""
        lines = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if str(self.root).encode() in path.read_bytes():
                    lines.append(path.with_name("cmdline").read_bytes().decode())
            except OSError:
                continue
        return [line for line in lines if line]

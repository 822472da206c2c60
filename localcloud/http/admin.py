"""`/_stepladder/...`: health, calls, faults, clock, saving and stopping."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any

from localcloud.cloud import Cloud, Environ, json_response
from localcloud.faults import Faults
from localcloud.protocol.codec import Response


class Admin:
    """The WSGI app behind `/_stepladder/`."""

    def __init__(self, cloud: Cloud, calls: deque[str], faults: Faults) -> None:
        self._cloud = cloud
        self._recorded = calls
        self._rules = faults
        self._registry_bytes = 0  # that had come when the calls were forgotten last
        self.save: Callable[[], list[str]] = list

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one of `PAGES`."""
        name = environ["PATH_INFO"].removeprefix("/_stepladder/").strip("/")
        handler = getattr(self, f"_{name}", None) if name in self.PAGES else None
        try:
            response = handler(environ["REQUEST_METHOD"], environ) if handler else None
        except (ValueError, TypeError) as error:
            response = json_response({"error": str(error)}, 400)
        if response is None:
            response = json_response({"error": f"{environ['REQUEST_METHOD']} {name}: no such page"}, 404)
        start_response(f"{response.status} X", [*response.headers.items(), ("Content-Length", str(len(response.body)))])
        return [response.body]

    PAGES = ("health", "calls", "faults", "clock", "iam", "save")

    def _health(self, _method: str, _environ: Environ) -> Response:
        cloud = self._cloud
        return json_response(
            {
                "ready": True,
                "pid": os.getpid(),
                "version": version("stepladder"),
                "engine": _engine(),
                "url": cloud.url,
                "data": str(cloud.data_dir) if cloud.persistent else None,
                "speed": cloud.clock.speed,
                "iam": cloud.access.mode,
            }
        )

    def _calls(self, method: str, _environ: Environ) -> Response | None:
        if method == "GET":
            sent = self._cloud.registry_bytes() - self._registry_bytes
            return json_response({"calls": list(self._recorded), "registry_bytes": sent})
        if method == "DELETE":
            self._recorded.clear()
            self._registry_bytes = self._cloud.registry_bytes()
            return json_response({"calls": [], "registry_bytes": 0})
        return None

    def _faults(self, method: str, environ: Environ) -> Response | None:
        faults = self._rules
        if method == "POST":
            raw = json.loads(environ["wsgi.input"].read() or b"{}")
            for rule in raw if isinstance(raw, list) else [raw]:
                faults.add(rule)
        elif method == "DELETE":
            faults.clear()
        elif method != "GET":
            return None
        return json_response({"faults": faults.list()})

    def _clock(self, method: str, environ: Environ) -> Response | None:
        clock = self._cloud.clock
        if method == "POST":
            raw = json.loads(environ["wsgi.input"].read() or b"{}")
            if "speed" in raw:
                clock.set_speed(float(raw["speed"]))
                self.save()
            if "advance" in raw:
                clock.advance(float(raw["advance"]))
        elif method != "GET":
            return None
        return json_response({"speed": clock.speed, "now": clock.now()})

    def _iam(self, method: str, environ: Environ) -> Response | None:
        access = self._cloud.access
        if method == "POST":
            raw = json.loads(environ["wsgi.input"].read() or b"{}")
            access.set_mode(str(raw.get("mode", "")))
            self.save()
        elif method == "DELETE":
            access.denials.clear()
        elif method != "GET":
            return None
        return json_response({"mode": access.mode, "denials": access.denials.list()})

    def _save(self, method: str, _environ: Environ) -> Response | None:
        return json_response({"saved": self.save()}) if method == "POST" else None


def _engine() -> str:
    return f"moto {version('moto')}"

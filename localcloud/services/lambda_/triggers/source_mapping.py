"""One event source mapping, and which options a kind of source takes."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from localcloud.services.lambda_.model import FunctionKey, invalid
from localcloud.services.lambda_.triggers import filters

_PAUSE_SECONDS = 1.0  # after a fault


@dataclass
class SourceMapping:
    """One mapping: `config` as AWS answers it. `stopped` ends the thread that polls for it."""

    key: FunctionKey
    qualifier: str
    config: dict[str, Any]
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def arn(self) -> str:
        """The source's ARN."""
        return str(self.config["EventSourceArn"])

    @property
    def region(self) -> str:
        """The source's region."""
        return self.arn.split(":")[3]

    @property
    def account(self) -> str:
        """The source's account."""
        return self.arn.split(":")[4]

    @property
    def resource(self) -> str:
        """What the ARN names: the queue's name, or `table/<name>/stream/<label>`."""
        return self.arn.split(":", 5)[5]


class Source(Protocol):
    """A kind of source: its options with their defaults, and how it is polled."""

    defaults: Mapping[str, Any]
    options: tuple[str, ...]

    def check(self, mapping: SourceMapping, timeout: int) -> None:
        """Refuse a mapping that could never work. `timeout` is the function's, in seconds."""

    def conflict(self, mapping: SourceMapping) -> str:
        """Return how AWS words that the source is mapped to the function already, up to the mapping's UUID."""

    def poll(self, mapping: SourceMapping, stopped: threading.Event) -> None:
        """Bring records to the function until `stopped` is set."""

    def forget(self, mapping: SourceMapping) -> None:
        """Drop what is known of a mapping that was deleted."""


def keep_polling(source: Source, mapping: SourceMapping, stopped: threading.Event) -> None:
    """Poll until `stopped` is set. A fault of the cloud's own is logged, and ends no mapping."""
    while not stopped.is_set():
        try:
            source.poll(mapping, stopped)
        except Exception:  # noqa: BLE001 - the thread's last line of defence
            traceback.print_exc()
            stopped.wait(_PAUSE_SECONDS)


def change(source: Source, mapping: SourceMapping, params: Mapping[str, Any]) -> None:
    """Take options over from a request. Raises what AWS refuses."""
    config = mapping.config
    changes = {name: params[name] for name in source.options if params.get(name) is not None}
    if "FilterCriteria" in params:
        filters.check(params["FilterCriteria"] or {})
        config.pop("FilterCriteria", None)
        if (params["FilterCriteria"] or {}).get("Filters"):
            changes["FilterCriteria"] = params["FilterCriteria"]
    config.update(changes)
    if params.get("Enabled") is not None:
        config["State"] = "Enabled" if params["Enabled"] else "Disabled"
    config.setdefault("State", "Enabled")
    config["LastModified"] = datetime.now(UTC)


def check_batch(config: Mapping[str, Any], most: int) -> None:
    """Refuse a batch that is larger than `most`, or than one receipt without a window to gather it in."""
    if int(config["BatchSize"]) > most:
        raise invalid(f"BatchSize must be at most {most} for this event source.")

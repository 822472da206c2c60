"""How a botocore session reads what it knows of AWS: its services' models, its endpoints.

botocore makes each of their JSON objects an `OrderedDict`, which takes twice the time of a `dict`. Before each client
it lists all of its 400 services, to word its error for an unknown one. Both together are 35 ms of a command.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

_ENDINGS = (".json", ".json.gz")


def read_quickly(session: Any) -> None:
    """Let a session read its data as plain dicts, and not list all services before each client."""
    loader = session.get_component("data_loader")
    loader.file_loader = _PlainFiles()
    loader.list_available_services = lambda type_name: _AnyService()  # noqa: ARG005


class _PlainFiles:
    """Reads a JSON file as dicts, which keep their order, too. Does what `botocore.loaders.JSONFileLoader` does."""

    def exists(self, file_path: str) -> bool:
        """Say whether there is a file. `file_path` has no ending."""
        return any(Path(file_path + ending).is_file() for ending in _ENDINGS)

    def load_file(self, file_path: str) -> Any:
        """Return what a file holds, None where there is none. `file_path` has no ending."""
        for path in (Path(file_path + ending) for ending in _ENDINGS):
            if path.is_file():
                content = path.read_bytes()
                return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
        return None


class _AnyService:
    """Knows every service by name; one that doesn't exist is botocore's `DataNotFoundError` a step later."""

    def __contains__(self, name: object) -> bool:
        return True

"""All functions of the cloud."""

from __future__ import annotations

import threading

from localcloud.services.lambda_.model import Function, FunctionKey, not_found


class FunctionStore:
    """The functions by key. Hold `lock` while reading and changing one."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.functions: dict[FunctionKey, Function] = {}

    def get(self, key: FunctionKey, qualifier: str = "") -> Function:
        """Return a function. Raises ResourceNotFoundException, naming the ARN as AWS does."""
        try:
            return self.functions[key]
        except KeyError:
            raise not_found(f"Function not found: {key.arn}{qualifier and ':' + qualifier}") from None

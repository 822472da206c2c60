"""What both floor scripts do after their push: update, publish, move the alias, by the bare calls."""

from __future__ import annotations

import time
from typing import Any


def release(client: Any, function: str, image: str) -> None:
    """Make an image live behind the alias `live`."""
    client.update_function_code(FunctionName=function, ImageUri=image)
    _settled(client, function)
    version = client.publish_version(FunctionName=function)["Version"]
    _settled(client, function, Qualifier=version)
    client.update_alias(FunctionName=function, Name="live", FunctionVersion=version)


def _settled(client: Any, function: str, **version: str) -> None:
    """Wait until the function, or a version, can be used."""
    while True:
        settings = client.get_function_configuration(FunctionName=function, **version)
        if settings["State"] == "Active" and settings["LastUpdateStatus"] == "Successful":
            return
        time.sleep(0.02)

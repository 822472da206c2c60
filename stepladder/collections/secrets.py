"""`inv secrets`: the values of the function's secrets, on their way to AWS's stores."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import ONE_FUNCTION, task

ENV = "Environment of the secret."
JSON = "Print one JSON record, without the value."


@task(
    prints="stepladder.commands.outputs.releases:Secrets",
    default=True,
    name="list",
    reads_only=True,
    help={"env": "Environment of the secrets.", "function": ONE_FUNCTION, "json": "Print one JSON document."},
    auto_shortflags=False,
)
def list_(c: Any, env: str, json: bool = False, function: str = "") -> None:
    """Show the secrets of an environment: where each is, whether it has a value, its version and age."""
    from stepladder.commands import secrets
    from stepladder.releases.rung import opened

    secrets.show(opened(c, env, "inv secrets", function=function, as_json=json))


@task(
    prints="stepladder.commands.secrets:WrittenRecord",
    name="set",
    positional=["name"],
    help={"name": "Name of the secret in the settings.", "env": ENV, "function": ONE_FUNCTION, "json": JSON},
    auto_shortflags=False,
)
def set_(c: Any, env: str, name: str = "", json: bool = False, function: str = "") -> None:
    """Set a secret to the value on standard input, or typed at a hidden prompt."""
    from stepladder.commands import secrets
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv secrets.set", function=function, as_json=json, acting=True)
    record = secrets.set_value(rung, name)
    if json:
        rung.console.json(record)


@task(
    prints="stepladder.commands.secrets:WrittenRecord",
    positional=["name"],
    help={"name": "Name of the secret in the settings.", "env": ENV, "function": ONE_FUNCTION, "json": JSON},
    auto_shortflags=False,
)
def rotate(c: Any, env: str, name: str = "", json: bool = False, function: str = "") -> None:
    """Change a secret that has a value to the one on standard input; its store keeps the one before."""
    from stepladder.commands import secrets
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv secrets.rotate", function=function, as_json=json, acting=True)
    record = secrets.set_value(rung, name, rotate=True)
    if json:
        rung.console.json(record)

"""Read a secret's value: from standard input, or from a hidden prompt on a terminal. Never from the command line.

A value of one line loses the line end behind it, which `echo` adds. One of several lines is kept as it is, so that a
key file stays what it was. So are bytes that aren't UTF-8.
"""

from __future__ import annotations

import getpass
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from stepladder.core import terminal
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError
from stepladder.core.names import flags_of
from stepladder.core.terminal import NoInputError

SECONDS = terminal.SILENCE
_BEGINNING = 8


@dataclass(frozen=True, repr=False)
class SecretValue:
    """A value; it shows itself nowhere."""

    data: bytes

    def __repr__(self) -> str:
        return "SecretValue(...)"

    @property
    def text(self) -> str | None:
        """The value as text; None for bytes that are none."""
        try:
            return self.data.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def occurs_in(self, message: str) -> bool:
        """Say whether a message, such as one of AWS's, repeats the beginning of a line of the value."""
        lines = (line.strip()[:_BEGINNING] for line in (self.text or "").splitlines())
        return any(line and line in message for line in lines)


def read(name: str, target: str, largest: int, console: Console) -> SecretValue:
    """Return the value of a secret, or of one that is too large its first bytes: more than `largest`.

    Raises `BadInputError` when there is none.
    """
    by_hand = terminal.has_keyboard()
    data = _prompted(name, target) if by_hand else _piped(name, target, largest, console.line)
    value = SecretValue(without_line_end(data))
    if not value.data.strip():
        raise no_value(name, target, "it is empty")
    return value


def _prompted(name: str, target: str) -> bytes:
    if not Console().can_ask:
        raise no_value(name, target, "nobody can be asked for it here")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            typed = getpass.getpass(f"value of {name} on {target} (one line, hidden): ", stream=sys.stderr)
    except getpass.GetPassWarning:
        raise no_value(name, target, "this terminal would show what is typed") from None
    except EOFError:
        typed = ""
    if typed.startswith("-----BEGIN "):
        raise no_value(name, target, "a key has several lines, and the prompt takes one")
    return typed.encode("utf-8", "surrogateescape")


def _piped(name: str, target: str, largest: int, say: Callable[[str], None]) -> bytes:
    """Read standard input to its end, or to the first byte too many."""

    def waiting(seconds: float) -> None:
        say(f"waiting up to {seconds:.0f} s for the value of {name} on standard input")

    try:
        return terminal.piped(largest + len(b"\r\n"), silence=SECONDS, waiting=waiting)
    except NoInputError as error:
        raise no_value(name, target, str(error)) from None


def without_line_end(data: bytes) -> bytes:
    """Return a value of one line without the line end behind it; every other as it is."""
    line = data.removesuffix(b"\n").removesuffix(b"\r") if data.endswith(b"\n") else data
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return data
    return data if b"\n" in line or b"\r" in line else line


def no_value(name: str, target: str, why: str) -> BadInputError:
    """Return the error for a value that can't be read."""
    return BadInputError(
        f"there is no value for {name}: {why}",
        kind="secret-value",
        hint=f"give it on the standard input of `inv secrets.set {name} {flags_of(target)}`, by a pipe or from a "
        "file; on a terminal the command asks for it",
    )

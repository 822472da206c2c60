"""Whether the state machine of a project's own modules knows what a promotion asks for.

A project keeps the modules that it was made with. A definition that is older than a setting would leave it out in
silence: a release without its command, a canary that is compared with nothing.
"""

from __future__ import annotations

import re
from pathlib import Path

from stepladder.core import project_origin, resources
from stepladder.promotion.contract import ExecutionInput
from stepladder.terraform import overrides

FILE = Path("delivery") / "promotion.asl.json"
NEEDED_FOR = {
    "command": "`stepladder.release_command`",
    "release": "promotions of several functions together",
    "shift": "several widths of `stepladder.promotion.deployment`, `bake_requests` and `canary`",
}
"""Parts of a target's input that not every definition reads, and what asks for each."""
_REFERENCE = r"\$\.target\.(\w+)"


def check(root: Path, given: ExecutionInput) -> None:
    """Raise `BadInputError` when the project's own definition doesn't read a part of the input that ours does."""
    own = root / project_origin.MODULES / FILE
    if not own.is_file():
        return
    parts = {key for rung in given["rungs"] for target in rung["targets"] for key in target}
    needed = parts & NEEDED_FOR.keys()
    late = needed & _read(resources.folder("terraform") / "modules" / FILE) - _read(own) if needed else set()
    if late:
        raise overrides.old_modules(", ".join(NEEDED_FOR[key] for key in sorted(late)))


def _read(path: Path) -> set[str]:
    return set(re.findall(_REFERENCE, path.read_text("utf-8")))

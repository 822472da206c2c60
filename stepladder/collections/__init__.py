"""Invoke tasks only, one module per noun. No logic: each body reads settings, calls the library, prints."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

if not sys.flags.dont_write_bytecode:  # -B, PYTHONDONTWRITEBYTECODE
    # Invoke turns byte code off before it reads a tasks.py, and uv installs none: every command would compile all that
    # it imports, which takes as long as its work. Here because a tasks.py imports this before anything else of ours.
    sys.dont_write_bytecode = False

TOP_LEVEL = (
    *("deploy", "rollback", "smoke", "logs", "serve", "new", "explain", "unlock"),
    *("doctor", "destroy", "diagnose", "report"),
    *("diff", "history", "open"),
)
"""Modules whose tasks stand at the top level."""

NOUNS = ("status", "ledger", "tf", "image", "function", "local", "preview", "promote", "secrets", "ci", "aws")
"""Modules that become a collection of their own name."""

RENAMED = {"upgrade": "project"}
"""Modules that become one of another name: a generated tasks.py imports `project` for tasks of the top level."""


def namespace() -> Any:
    """Return the collection of every stepladder task; the defaults of the settings come when a task is run."""
    from invoke import Collection, Task

    from stepladder.collections.excepthook import be_quick, explain_startup
    from stepladder.collections.program import configure, explain_usage
    from stepladder.core import ci
    from stepladder.forge import registered

    ci.detect_by(registered.is_detected)
    be_quick()
    explain_startup()
    configured_later = explain_usage()
    root = Collection()
    for name in TOP_LEVEL:
        module = import_module(f"{__name__}.{name}")
        for task in (value for value in vars(module).values() if isinstance(value, Task)):
            root.add_task(task)
    for module_name, name in (*zip(NOUNS, NOUNS, strict=True), *RENAMED.items()):
        root.add_collection(Collection.from_module(import_module(f"{__name__}.{module_name}"), name=name))
    if not configured_later:
        configure(root)
    return root

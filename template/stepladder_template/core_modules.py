"""Load leaf modules of the stepladder that this template belongs to."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

TEMPLATE = Path(__file__).resolve().parent.parent


def package() -> Path:
    """Return the folder of the package `stepladder` that this template belongs to."""
    root = TEMPLATE.parent
    return root.parent if root.name == "_data" else root / "stepladder"


def load_module(name: str) -> ModuleType:
    """Load a module of `stepladder/core` as it lies beside this template: in a checkout, or around a wheel's data.

    By path, not by import: cookiecutter's Python may have no stepladder, or another version of it.
    """
    path = package() / "core" / f"{name}.py"
    if not path.is_file():
        raise FileNotFoundError(f"{path} isn't there: the template belongs to a checkout or to an installed stepladder")
    loader = SourceFileLoader(f"stepladder_template_{name}", str(path))
    known = sys.modules.get(loader.name)
    if known is not None and known.__file__ == str(path):
        return known
    module = sys.modules[loader.name] = ModuleType(loader.name)  # dataclasses look their module up
    module.__file__ = str(path)
    loader.exec_module(module)
    return module

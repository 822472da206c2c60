"""Find what ships with stepladder: the template, the Terraform modules, the pipeline functions, the kinds of errors.

In a checkout they are top-level folders; in an installed wheel they are package data (pyproject.toml, force-include).
"""

from __future__ import annotations

from pathlib import Path


def folder(name: str) -> Path:
    """Return the folder `template`, `terraform`, `function` or `docs`, of which a wheel has what commands read."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "_data" / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"stepladder was installed without its {name} folder")

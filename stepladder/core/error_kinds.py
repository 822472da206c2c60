"""The kinds of errors, as docs/errors.yaml describes them: what each means, why it happens, how to fix it."""

from __future__ import annotations

from dataclasses import dataclass

from stepladder.core import resources


@dataclass(frozen=True)
class ErrorKind:
    """One kind of error. `section` is the heading under which the catalogue has it; the other texts are sentences."""

    kind: str
    section: str
    means: str
    why: str
    fix: str


def read() -> dict[str, ErrorKind]:
    """Return every kind by its name, in the catalogue's order."""
    import yaml

    text = (resources.folder("docs") / "errors.yaml").read_text("utf-8")
    sections = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    return {
        kind: ErrorKind(kind, section, **entry)
        for section, entries in sections.items()
        for kind, entry in entries.items()
    }

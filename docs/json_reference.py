"""Write docs/reference/json.md and the JSON Schemas beside it, from the types that the tasks name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from markdown_tables import markdown_table

from stepladder.commands import outputs

FOLDER = Path("docs") / "reference" / "schemas"
PAGE = Path("docs") / "reference" / "json.md"
HEAD = """# JSON

Written by `docs/generate.py` from the code; a test compares.

With `--json` a command prints one JSON document on standard output, and nothing else there. `inv logs` prints one on
each line. What is for a person goes to standard error. A command that fails prints an error in the same place, with the
keys `error`, `error_kind`, `exit_code`, `hint` and `problems`. An error may have more keys: what was known when it
failed.

Each command has a [JSON Schema](https://json-schema.org/draft/2020-12) (draft 2020-12). An installed stepladder has
them too, in `_data/docs/reference/schemas` of its package: `inv explain --schema status` prints one.

* A key is never removed, renamed or given another type within a major version.
* A key may be added in any version. Ignore keys that you don't know.
* An enumeration in a description may get further values.

stepladder's tests compare what commands print with these schemas.

"""


def printing(tasks: Iterable[tuple[str, Any, Any]]) -> dict[str, str]:
    """Return the type that a task prints, by the command; of each task that prints JSON."""
    found = {}
    for name, task, context in tasks:
        if prints := getattr(task, "prints", ""):
            nouns = [alias for alias in context.aliases if "." not in alias]
            found[nouns[0] if nouns else name] = prints
    return dict(sorted(found.items()))


def documents(root: Path, tasks: Iterable[tuple[str, Any, Any]]) -> dict[Path, str]:
    """Return the page and every schema."""
    known = printing(tasks)
    rows = [(f"`inv {command}`", f"[{command}.json](schemas/{command}.json)") for command in known]
    pages = {root / PAGE: HEAD + markdown_table(("command", "schema"), rows)}
    for command, prints in known.items():
        text = json.dumps(outputs.schema(command, prints), indent=2)
        pages[root / FOLDER / f"{command}.json"] = f"{text}\n"
    return pages

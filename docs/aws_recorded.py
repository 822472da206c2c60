"""Write docs/reference/aws-recorded.md: which answers recorded from AWS the local cloud gives, and why not the others.

That what is called given is given is for tests/local/test_aws_recorded.py to show.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from markdown_tables import markdown_table

HEAD = """# Recorded answers of AWS

Written by `docs/generate.py`; a test compares. Source: LocalStack's public test suite, which recorded its answers on
AWS (tests/local/data/aws-recordings). `tests/local/test_aws_recorded.py` asks the local cloud the same and compares
every answer: texts, status codes, which revisions change, every event of a history. It fails when a given one is no
longer given, and when one that differs is given after all.

"""


def read(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, str]], list[dict[str, Any]]]:
    """Return the recordings, the answers that differ, and what nothing asks for."""
    recordings: dict[str, Any] = {}
    for path in sorted(folder.glob("*.json")):
        recordings |= json.loads(path.read_text("utf-8"))
    differs = yaml.safe_load((folder / "differs.yaml").read_text("utf-8"))
    return recordings, differs, yaml.safe_load((folder / "unused.yaml").read_text("utf-8"))


def page(root: Path) -> str:
    """Return the page."""
    recordings, differs, unused = read(root / "tests" / "local" / "data" / "aws-recordings")
    answers = sum(len(each["recorded-content"]) for each in recordings.values())
    different = sum(len(labels) for labels in differs.values())
    names = {name: number for group in unused for name, number in group["recordings"].items()}
    sums = [
        ("given", f"{len(recordings) - len(differs)}", f"{answers - different}"),
        ("differ, in the answers named below", f"{len(differs)}", f"{different}"),
        ("not asked for", f"{len(names)}", f"{sum(names.values())}"),
    ]
    why = [(group["why"], ", ".join(f"`{name}`" for name in group["recordings"])) for group in unused]
    parts = [
        HEAD + markdown_table(("", "recordings", "answers"), sums, figures=(1, 2)),
        "## Given, and what differs\n",
        markdown_table(("recording", "on AWS", "answers", ""), list(_rows(recordings, differs)), figures=(2,)),
        "## Not asked for\n",
        markdown_table(("why", "recordings"), why),
    ]
    return "\n".join(parts)


def _rows(recordings: Mapping[str, Any], differs: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, ...]]:
    for name, recording in sorted(recordings.items()):
        day, month, year = recording["recorded-date"].partition(",")[0].split("-")
        reasons = [f"differs in `{label}`: {why}" for label, why in differs.get(name, {}).items()]
        number = len(recording["recorded-content"])
        yield f"`{name}`", f"{year}-{month}-{day}", f"{number}", "; ".join(reasons) or "given"

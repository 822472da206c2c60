"""Write what cookiecutter.json says of the trigger kinds: the choices, the default first, and their questions.

Cookiecutter reads that file before it runs anything of a template's own, so the kinds must stand in it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from stepladder.core import trigger_kinds


def documents(checkout: Path) -> dict[Path, str]:
    """Return cookiecutter.json as the folders of the kinds have it."""
    template = checkout / "template"
    path = template / "cookiecutter.json"
    kinds = trigger_kinds.choices(template)
    text = re.sub(
        r'(?<=\n  "trigger": )\[.*?\]', lambda _: json.dumps([kind.name for kind in kinds]), path.read_text("utf-8")
    )
    questions = "".join(f",\n      {json.dumps(kind.name)}: {json.dumps(kind.question)}" for kind in kinds)
    asked = r'(\n    "trigger": \{\s+"__prompt__": "[^"\n]*").*?(?=\n    \})'
    return {path: re.sub(asked, lambda found: found[1] + questions, text, flags=re.DOTALL)}

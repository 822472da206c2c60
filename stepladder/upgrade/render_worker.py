"""Render one version's template with answers, in a process of its own: two versions of its modules don't mix in one.

python -m stepladder.upgrade.render_worker <request.json>    # writes <request.json>.answer
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from stepladder.scaffold.answers import as_data, importable, prompts


def main(path: Path) -> None:
    """Carry out a request: make the project, and leave its folder, its answers or what is wrong with them."""
    request = json.loads(path.read_text("utf-8"))
    answer = _rendered(Path(request["template"]), Path(request["output"]), request["answers"], request["source"])
    path.with_suffix(".answer").write_text(json.dumps(answer), "utf-8")


def _rendered(template: Path, output: Path, given: dict[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    from cookiecutter.exceptions import CookiecutterException, FailedHookException
    from cookiecutter.generate import generate_context, generate_files
    from cookiecutter.prompt import prompt_for_config

    known = prompts(template)
    answers = {key: value for key, value in given.items() if key in known}
    passed = {key: as_data(value) if isinstance(known[key], str) else value for key, value in answers.items()}
    with importable(template):
        from stepladder_template.finish import finish
        from stepladder_template.source import Source

        try:
            context = generate_context(str(template / "cookiecutter.json"), extra_context=passed)
            used = dict(prompt_for_config(context, no_input=True)) | {"git_init": False}
            project = Path(generate_files(template, {"cookiecutter": used}, output, accept_hooks=False))
            finish(project, template, Source(**source), used)
        except FailedHookException as error:
            return {"problems": list(getattr(error, "problems", ())) or [str(error)]}
        except (CookiecutterException, ValueError) as error:
            return {"problems": [str(error)]}
    return {
        "project": str(project),
        "dropped": sorted(given.keys() - known.keys() - {"_template"}),
        "added": {key: used[key] for key in known if key not in given},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))

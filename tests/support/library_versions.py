"""A stepladder of few files in a git repository of its own, in several versions, and projects that its template makes.

The template's own modules are the real ones; what they render is small.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "template/{{cookiecutter.project_slug}}"
ANSWERS = {
    "project_name": "Small",
    "project_slug": "small",
    "description": "A small one",
    "aws_account": "123456789012",
    "aws_region": "eu-west-1",
    "git_init": False,
}
EXTENSION = "stepladder_template.extension.Stepladder"
FIRST = {
    f"{PROJECT}/invoke.yaml": "stepladder:\n  project: {{ cookiecutter.project_slug }}\n  rungs: [lowest, highest]\n",
    f"{PROJECT}/tasks.py": "from stepladder.collections import namespace\n\nns = namespace()\n",
    f"{PROJECT}/pyproject.toml": '[dependency-groups]\ndev = [\n    "stepladder[local]",\n    "pytest",\n]\n',
    f"{PROJECT}/function/Dockerfile": 'FROM python\nRUN one\nCOPY app app\nCMD ["handler"]\n',
    f"{PROJECT}/function/app/handler.py": "# an example\n",
    f"{PROJECT}/.gitignore": ".stepladder/\n",
    "terraform/modules/foundation/main.tf": "# foundation\n",
    "terraform/modules/service/main.tf": "# service\n",
    "terraform/modules/service/alarms.tf": "".join(f"# alarm {number}\n" for number in range(9)),
    "terraform/modules/delivery/main.tf": "# delivery\n",
}
_WHO = {
    f"GIT_{who}_{key}": f"{key.lower()}@example.com" for who in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")
}


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it prints."""
    argv = ["git", "-c", "core.hooksPath=/dev/null", *arguments]
    done = subprocess.run(
        argv, cwd=folder, env={**os.environ, **_WHO}, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.strip()


def questions(**more: object) -> str:
    """Return a template's questions: the known ones, and some more."""
    private = {"__checked": "{{ refuse_bad_answers(cookiecutter) }}", "_extensions": [EXTENSION]}
    return json.dumps({**ANSWERS, **more, **private})


class LibraryVersions:
    """The repository; `commits` are those of its versions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commits: dict[str, str] = {}
        junk = shutil.ignore_patterns("__pycache__")
        shutil.copytree(
            ROOT / "template" / "stepladder_template", folder / "template" / "stepladder_template", ignore=junk
        )
        for name in ("names", "project_origin"):
            self._write({f"stepladder/core/{name}.py": (ROOT / "stepladder" / "core" / f"{name}.py").read_text()})
        self._write({"template/cookiecutter.json": questions(), **FIRST})
        git(folder, "init", "-q", "-b", "main")

    def release(self, version: str, changes: dict[str, str | None], *, tagged: bool = True) -> str:
        """Commit a version: files with other contents, or without any."""
        self._write({**changes, "stepladder/__init__.py": f'__version__ = "{version}"\n'})
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-q", "-m", version)
        if tagged:
            git(self.folder, "tag", "-a", f"v{version}", "-m", version)
        self.commits[version] = git(self.folder, "rev-parse", "HEAD")
        return self.commits[version]

    def _write(self, files: dict[str, str | None]) -> None:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.unlink()
            else:
                path.write_text(content)

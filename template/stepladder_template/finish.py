"""Make a rendered project whole: modules, pin, origin, git. Used by the hook and by `inv new`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stepladder_template.answers import load_names
from stepladder_template.core_modules import load_module, package
from stepladder_template.source import PACKAGE, Source, environment

MODULES = ("foundation", "service", "delivery")
JUNK = shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "*.tfstate*", "*.tfplan", "__pycache__", ".DS_Store")
DEADLINE = 30  # seconds for git init


class CannotFinishError(Exception):
    """A part of the project is missing from the template's repository."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message}\n\nhint: {hint}")
        self.message = message
        self.hint = hint


def find_modules(template_directory: str | Path) -> Path:
    """Return the folder of Terraform modules that belongs to this template."""
    folder = Path(template_directory).resolve().parent / "terraform" / "modules"
    missing = [name for name in MODULES if not (folder / name).is_dir()]
    if missing:
        raise CannotFinishError(
            f"the Terraform modules {', '.join(missing)} aren't in {folder}",
            "generate from the whole repository, `cookiecutter <repository> --directory template`, "
            "not from a copy of its template folder",
        )
    return folder


def finish(project: Path, template_directory: str | Path, source: Source, answers: Mapping[str, Any]) -> list[str]:
    """Finish the project in place and return what a person should know."""
    modules = project / "terraform" / "modules"
    shutil.copytree(find_modules(template_directory), modules, ignore=JUNK, dirs_exist_ok=True)
    pyproject = project / "pyproject.toml"
    text = pyproject.read_text("utf-8")
    pyproject.write_text(text.replace(json.dumps(PACKAGE), json.dumps(source.requirement), 1), "utf-8")
    origin = load_module("project_origin")
    made = {"commit": source.commit, "version": version()}
    hashes = {"sha256": origin.tree_hash(modules), "files": origin.file_hashes(modules)}
    _write_json(modules / origin.MODULES_FILE, {**made, **hashes})
    _write_json(project / origin.FILE, _origin(source, answers))
    _remove_empty_folders(project)
    notes = [f"created {project.name}, which depends on {source.requirement}"]
    if source.local:
        notes.append("note: that is a path on this machine; name a git URL or a release before others use the project")
    if answers.get("aws_account") == load_names().EXAMPLE_ACCOUNT:
        notes.append(
            f"note: its AWS account is the example {answers['aws_account']}, which a local cloud takes; "
            "before you deploy to AWS, put yours under environments in invoke.yaml"
        )
    if answers.get("git_init"):
        notes.append(_git_init(project))
    return notes


def version() -> str:
    """Return the version of the stepladder that this template belongs to."""
    text = (package() / "__init__.py").read_text("utf-8")
    match = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if not match:
        raise CannotFinishError(f"{package()} names no version", "install stepladder again")
    return match[1]


def _origin(source: Source, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return where the project came from, in cruft's format."""
    context = {key: answers[key] for key in sorted(answers) if not key.startswith("_")}
    return {
        "template": source.template,
        "version": version(),
        "commit": source.commit,
        "checkout": source.checkout,
        "context": {"cookiecutter": {**context, "_template": source.template}},
        "directory": "template",
    }


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _remove_empty_folders(project: Path) -> None:
    """Remove what optional files leave empty: they carry their condition in their name."""
    for name in ("actions/setup", "actions", "workflows", "."):
        folder = project / ".github" / name
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _git_init(project: Path) -> str:
    try:
        subprocess.run(
            ["git", "init", "-q", "-b", "main"], cwd=project, env=environment(), timeout=DEADLINE, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"note: git init didn't work: {error}"
    return "made a git repository with nothing in it yet: git add -A && git commit"

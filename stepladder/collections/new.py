"""`inv new`: make a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stepladder.collections.task import task
from stepladder.core import resources, trigger_kinds

HELP = {
    "answers": "JSON or YAML file of answers; flags override it.",
    "no_input": "Ask nothing; use the default of every answer that is not given.",
    "output": "Folder to make the project's folder in.",
    "project_name": "Name of the project, for people.",
    "project_slug": "Short name, for AWS and the folder (at most 24 characters).",
    "description": "Description of the function, in one sentence.",
    "aws_account": "AWS account (12 digits).",
    "aws_region": "AWS region.",
    "python_version": "Python version: 3.11, 3.12, 3.13 or 3.14.",
    "architecture": "Processor architecture: arm64 or x86_64.",
    "trigger": f"Trigger: {trigger_kinds.question(resources.folder('template'))}.",
    "image_builder": "Image builder: auto, docker or layers.",
    "terraform_distribution": "Name of the Terraform program: terraform or opentofu.",
    "approval": "Wait for somebody's approval before each release of production.",
    "ci": "CI provider: github, gitlab, both or none.",
    "git_init": "Run `git init` in the new project.",
}


@task(help=HELP, auto_shortflags=False)
def new(  # noqa: PLR0917 - one flag for each prompt, and Invoke passes them by name
    _context: Any,
    output: str = ".",
    answers: str = "",
    no_input: bool = False,
    project_name: str = "",
    project_slug: str = "",
    description: str = "",
    aws_account: str = "",
    aws_region: str = "",
    python_version: str = "",
    architecture: str = "",
    trigger: str = "",
    image_builder: str = "",
    terraform_distribution: str = "",
    approval: bool = False,
    ci: str = "",
    git_init: bool = False,
) -> None:
    """Make a new project from the template; ask for every answer that is not given."""
    given = {key: value for key, value in locals().items() if value and key not in _NOT_ANSWERS}
    import shlex

    from stepladder.core.console import Console
    from stepladder.scaffold.answers import check, read_file
    from stepladder.scaffold.generate import generate

    template = resources.folder("template")
    console = Console()
    checked = check({**(read_file(Path(answers)) if answers else {}), **given}, template)
    again = None if no_input else console.error
    made = generate(template, Path(output).resolve(), checked, again=again)
    for note in made.notes:
        console.line(note)
    console.data(str(made.folder))
    folder = shlex.quote(str(Path(output) / made.folder.name))
    console.hint(f"`cd {folder}`, read README.md, then `uv sync && uv run inv test`")


_NOT_ANSWERS = ("_context", "output", "answers", "no_input")

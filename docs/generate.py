"""Write what the code knows better than a person: docs/reference and the table of tasks in README.md.

Also the index of the decisions, and the packages that a generated project installs, after which none may be named.

    python docs/generate.py

A test compares what this gives with what is committed.
"""

from __future__ import annotations

import functools
import json
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stepladder.collections import namespace, project
from stepladder.core import iam_actions
from stepladder.core.errors import ExitCode
from stepladder.ledger.destruction import DESTROY
from stepladder.ledger.schema import KINDS

sys.path.insert(0, str(Path(__file__).parent))

import agents
import aws_recorded
import benchmark_page
import ci_permissions
import cookiecutter_text
import costs
import doctor_checks
import settings_tables
import state_machine
import terraform_text
from markdown_tables import markdown_table

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "docs"))

import error_catalogue  # noqa: E402 - beside this file, which tests load by its path
import exit_codes  # noqa: E402
import json_reference  # noqa: E402
import module_tables  # noqa: E402
import promises  # noqa: E402
import public_api  # noqa: E402

EXIT_CODES = {
    ExitCode.OK: "done, or nothing to do",
    ExitCode.FAILED: "failed",
    ExitCode.BAD_INPUT: "bad input: settings, arguments, template answers; of `inv tf.drift` and `inv status --check`: "
    "drift, whose `error_kind` is `drift`; of `inv diff`: something would change",
    ExitCode.ROLLED_BACK: "rolled back, and verified to be where it began",
    ExitCode.REFUSED: "refused before anything moved",
    ExitCode.ROLLBACK_FAILED: "the rollback failed: a person must act now",
    ExitCode.NOT_READY: "not ready: a tool is missing, credentials don't work, AWS or the local cloud doesn't answer; "
    "a release that ends so, as when a smoke case's answer was lost, has moved no alias and may be run again",
    ExitCode.LOCKED: "locked by somebody else; nothing has moved",
    ExitCode.INTERRUPTED: "interrupted",
}

VARIABLES = {
    "AWS_ENDPOINT_URL": "the SDK's own: where all AWS calls go; `inv local.env` sets it",
    "CI": "true in a CI job: dirty files are refused, `inv rollback` asks nothing; no colour, spinner or control code "
    "is printed. Where it isn't set, a variable of the provider's own decides, such as `CODEBUILD_BUILD_ID`",
    "COLUMNS": "the width that tables fit, in place of the terminal's own",
    "DOCKER_HOST": "Docker's own: the engine that builds images",
    "GOGC": "Go's own: how much garbage Terraform and its providers let lie; 400 where it isn't set",
    "GOMEMLIMIT": "Go's own: the memory from which on each of them saves it; 1GiB where it isn't set",
    "NO_COLOR": "print without colour (https://no-color.org)",
    "PYTHONDONTWRITEBYTECODE": "Python's own: where it is set, run `uv sync --compile-bytecode` once, or each command "
    "compiles again what it imports, for half a second or more",
    "STEPLADDER_IAM": "local cloud: whether IAM is enforced: `enforce` (the default), `warn` or `off`",
    "STEPLADDER_LAMBDA_IDLE_SECONDS": "local cloud: how long an idle execution environment stays warm",
    "STEPLADDER_LAMBDA_MOST_IDLE": "local cloud: how many idle execution environments stay warm at most",
    "STEPLADDER_LAMBDA_SETTLE_SECONDS": "local cloud: how long a function is `Pending` or its update `InProgress`",
    "STEPLADDER_LAUNCHER": "local cloud: run functions as `process` or `container`",
    "STEPLADDER_QUIET": "true: only data, warnings, questions, failed steps and errors are printed, for scripts and "
    "coding agents",
    "STEPLADDER_REGISTRY": "the registry's address in place of the one that ECR names, for other emulators",
    "STEPLADDER_SHARED_PROVIDER": "0: each Terraform command starts an AWS provider of its own",
    "STEPLADDER_TERRAFORM": "the Terraform executable, and no other",
    "GITHUB_TOKEN": "in a job of GitHub: comments on the pull request and opens the issue about drift",
    "GITLAB_TOKEN": "in a job of GitLab: a project access token that does the same, since a job token can't",
    "STEPLADDER_TERRAFORM_MIRROR": "a filesystem mirror that holds the AWS provider",
}


@functools.cache
def tasks() -> tuple[tuple[str, Any, Any], ...]:
    """Return the name, the task and the parser context of every task of a generated project."""
    root = namespace()
    for task in (project.check, project.test, project.lock):
        root.add_task(task)
    contexts = sorted(root.to_contexts(), key=lambda context: ("." in context.name, context.name))
    return tuple((context.name, root[context.name], context) for context in contexts)


def short(name: str, context: Any) -> str:
    """Return how a person types a task: `inv status`, not `inv status.show`."""
    nouns = [alias for alias in context.aliases if "." not in alias]
    return f"inv {nouns[0] if nouns else name}"


def first_line(task: Any) -> str:
    """Return a task's one sentence."""
    return str(task.__doc__).strip().partition("\n")[0]


def task_table() -> str:
    """Return the table of tasks for the README."""
    rows = [(f"`{short(name, context)}`", first_line(task)) for name, task, context in tasks()]
    return markdown_table(("task", "what it does"), rows)


def task_sections() -> str:
    """Return a section for each task, with every flag."""
    parts = []
    for name, task, context in tasks():
        flags = [(f"`{flag}`", text) for flag, text in context.help_tuples()]
        parts += [f"### {short(name, context)}\n\n{first_line(task)}\n"]
        parts += [markdown_table(("flag", ""), flags)] if flags else []
    return "\n".join(parts)


TYPES = {"str": "S", "int": "N", "bool": "BOOL"}
"""DynamoDB's types by Python's."""


LEDGER = """# The ledger

Written by `docs/generate.py` from `stepladder/ledger/schema.py`; a test compares.

One DynamoDB table, `<project>-releases`, with the keys `pk` and `sk`. Times are ISO 8601, UTC. An empty text is left
out. The writers are stepladder's commands, the state machine's definition and the pipeline's functions; one in
parentheses does not always write the attribute.
"""


def ledger() -> str:
    """Return docs/reference/ledger.md: a table of attributes for each kind of item."""
    parts = [LEDGER]
    for kind in (*KINDS, DESTROY):
        keys = [re.sub(r"\{(\w+)\}", r"<\1>", pattern) for pattern in (kind.pk, kind.sk)]
        rows = [
            (f"`{field.name}`", TYPES[str(field.type)], field.metadata["about"], writers(field.metadata))
            for field in kind.attributes
        ]
        parts.append(f"## `{keys[0]}`, `{keys[1]}`\n\n{kind.about[0].upper()}{kind.about[1:]}.\n")
        parts.append(markdown_table(("attribute", "type", "what it is", "written by"), rows))
    return "\n".join(parts)


def writers(metadata: Mapping[str, Any]) -> str:
    """Return who writes an attribute, in parentheses those who don't always."""
    return ", ".join([*metadata["by"], *(f"({writer})" for writer in metadata["may"])])


def reference() -> str:
    """Return docs/reference/README.md."""
    codes = [(f"{int(code)}", text) for code, text in EXIT_CODES.items()]
    variables = [(f"`{name}`", text) for name, text in VARIABLES.items()]
    return f"""# Reference

Written by `docs/generate.py` from the code; a test compares.

## Settings

Under the key `stepladder` of `invoke.yaml`. A variable overrides the file; a list or a mapping has none.

{settings_tables.setting_table()}
## Triggers

An entry of `triggers` is a kind, or a mapping of `kind`, `name` and the settings below. The name is part of the names
of what Terraform makes for it, so an entry with another name is another queue or another schedule.
[The guide](../guides/triggers.md) has an example of each.

{settings_tables.trigger_sections()}
## Exit codes

{markdown_table(("code", "meaning"), codes)}
[Exit codes](exit-codes.md) says what to do, and which errors end with each.

## Environment variables

{markdown_table(("variable", "what it does"), variables)}
## Tasks

Those of a generated project. This repository's own are in [CONTRIBUTING.md](../../CONTRIBUTING.md).

{task_sections()}"""


def readme(text: str) -> str:
    """Return the README with its table of tasks and its figure of the benchmarks as they must be."""
    text = re.sub(r"^\| \*\*Speed\*\* \|.*$", f"| **Speed** | {benchmark_page.speed()} |", text, flags=re.MULTILINE)
    head, _, rest = text.partition("<!-- tasks -->\n")
    _, _, tail = rest.partition("<!-- end of tasks -->\n")
    return f"{head}<!-- tasks -->\n{task_table()}<!-- end of tasks -->\n{tail}"


def packages() -> str:
    """Return the packages that a generated project installs: by uv.lock what its pyproject.toml names, and needs."""
    locked: dict[str, list[dict[str, Any]]] = {}
    for package in tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]:
        locked.setdefault(package["name"], []).append(package)
    found: set[tuple[str, str]] = set()
    waiting = [("stepladder", ""), ("stepladder", "local"), ("pytest", ""), ("ruff", "")]
    while waiting:
        name, extra = one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        for package in locked[name]:
            needed = (
                package.get("optional-dependencies", {}).get(extra, []) if extra else package.get("dependencies", [])
            )
            waiting += [(each["name"], wanted) for each in needed for wanted in ("", *each.get("extra", []))]
    names = sorted({re.sub(r"[-_.]+", "-", name).lower() for name, _ in found})
    return "\n".join(["# Made from uv.lock by docs/generate.py: what a project installs.", *names, ""])


def decisions() -> str:
    """Return docs/decisions/README.md: every decision, the newest first."""
    rows = []
    for page in sorted((ROOT / "docs" / "decisions").glob("20*.md"), reverse=True):
        date, title = page.name[:10], page.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        title = re.sub(rf"^{date}:? | \({date}\)$", "", title)
        rows.append((date, f"[{title[0].upper()}{title[1:]}]({page.name})"))
    return f"""# Decisions

What was decided, with the options and their cost. A page stays as it was written, and names things as they were called
then. A later page may overrule it, and says so.

{markdown_table(("date", "decision"), rows)}"""


def actions() -> str:
    """Return the names of IAM's actions by service, from what the local cloud keeps of AWS's reference."""
    folder = ROOT / "localcloud" / "authorization" / "calls" / "reference"
    names = {path.stem: sorted(json.loads(path.read_text("utf-8"))) for path in sorted(folder.glob("*.json"))}
    lines = ",\n".join(f"  {json.dumps(service)}: {json.dumps(each)}" for service, each in names.items())
    return f"{{\n{lines}\n}}\n"


def documents() -> dict[Path, str]:
    """Return every generated document, and every file of which a part is generated."""
    front = ROOT / "README.md"
    return {
        ROOT / "docs" / "reference" / "README.md": reference(),
        ROOT / "docs" / "reference" / "aws-recorded.md": aws_recorded.page(ROOT),
        ROOT / "docs" / "reference" / "errors.md": error_catalogue.page(),
        costs.PAGE: costs.page(),
        exit_codes.PAGE: exit_codes.page(EXIT_CODES),
        module_tables.PAGE: module_tables.page(),
        ROOT / public_api.FILE: public_api.text(ROOT, tasks(), json_reference.documents(ROOT, tasks())),
        ROOT / agents.PAGE: agents.page(ROOT, tasks(), EXIT_CODES),
        ROOT / ci_permissions.PAGE: ci_permissions.page(ROOT),
        ROOT / doctor_checks.PAGE: doctor_checks.page(ROOT),
        ROOT / "docs" / "decisions" / "README.md": decisions(),
        ROOT / "docs" / "reference" / "ledger.md": ledger(),
        ROOT / "docs" / "concepts" / "state-machine.md": state_machine.page(ROOT),
        ROOT / promises.PAGE: promises.page(ROOT),
        front: readme(front.read_text("utf-8")),
        ROOT / "template" / "stepladder_template" / "packages.txt": packages(),
        iam_actions.FILE: actions(),
        **benchmark_page.documents(),
        **cookiecutter_text.documents(ROOT),
        **json_reference.documents(ROOT, tasks()),
        **terraform_text.documents(ROOT),
    }


if __name__ == "__main__":
    for path, text in documents().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")

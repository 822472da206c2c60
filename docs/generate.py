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
from typing import Any, NamedTuple

from stepladder.collections import namespace, project
from stepladder.core import iam_actions, trigger_kinds
from stepladder.core.errors import BadInputError, ExitCode
from stepladder.ledger.destruction import DESTROY
from stepladder.ledger.schema import KINDS
from stepladder.settings.environments import EXAMPLE, Environments, EnvironmentSettings
from stepladder.settings.functions import EXAMPLE as EXAMPLE_FUNCTION
from stepladder.settings.functions import NamedFunction, NamedFunctions
from stepladder.settings.load import DEFAULT_TRIGGER, DEFAULTS, TRIGGER_KINDS, Settings, load
from stepladder.settings.overrides import PREFIX
from stepladder.settings.table import is_section, key_of, plain, rule_of, settings_of
from stepladder.settings.trigger_rules import Group
from stepladder.settings.trigger_settings import tables

sys.path.insert(0, str(Path(__file__).parent))

import agents
import aws_recorded
import benchmark_page
import ci_permissions
import cookiecutter_text
import costs
import doctor_checks
import state_machine
import terraform_text

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "docs"))

import error_catalogue  # noqa: E402 - beside this file, which tests load by its path
import exit_codes  # noqa: E402
import json_reference  # noqa: E402
import module_tables  # noqa: E402
import promises  # noqa: E402
import public_api  # noqa: E402

ENVIRONMENT = {"account": "123456789012", "region": "eu-west-1"}


class SettingRow(NamedTuple):
    """A line of the table of settings."""

    default: Any
    purpose: str


def setting_rows(section: Any, prefix: str = "") -> dict[str, SettingRow]:
    """Return the settings of a section and of those within, by key.

    An environment stands for all of them, and a function. What is a section with a purpose of its own has one line.
    """
    rows: dict[str, SettingRow] = {}
    for each in settings_of(section):
        key, default, purpose = f"{prefix}{key_of(each)}", getattr(section, each.name), each.metadata["purpose"]
        if isinstance(rule_of(each), Environments):
            rows |= setting_rows(EnvironmentSettings(), f"{key}.{EXAMPLE}.")
        elif isinstance(rule_of(each), NamedFunctions):
            rows |= setting_rows(NamedFunction(), f"{key}.{EXAMPLE_FUNCTION}.")
        elif is_section(default) and not purpose:
            rows |= setting_rows(default, f"{key}.")
        else:
            rows[key] = SettingRow({} if is_section(default) else default_of(key, default), purpose)
    return rows


def default_of(key: str, default: Any) -> Any:
    """Return a setting's default as `invoke.yaml` would say it."""
    return [DEFAULT_TRIGGER] if key == "triggers" else DEFAULTS.get(key, plain(default))


LISTS = (f"environments.{EXAMPLE}.triggers",)
"""Lists whose default is another setting's."""
SETTINGS = setting_rows(Settings(ROOT))
"""Every setting: what it is for, and its default. What is allowed and the variables' names come from the code too."""

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
    return table(("task", "what it does"), rows)


def task_sections() -> str:
    """Return a section for each task, with every flag."""
    parts = []
    for name, task, context in tasks():
        flags = [(f"`{flag}`", text) for flag, text in context.help_tuples()]
        parts += [f"### {short(name, context)}\n\n{first_line(task)}\n"]
        parts += [table(("flag", ""), flags)] if flags else []
    return "\n".join(parts)


def setting_table() -> str:
    """Return the table of settings."""
    rows = [
        (
            f"`{key}`",
            f"`{row.default!r}`" if row.default is not None else "",
            allowed(key),
            "in `invoke.yaml` only" if isinstance(row.default, (dict, list)) or key in LISTS else f"`{variable(key)}`",
            row.purpose,
        )
        for key, row in SETTINGS.items()
    ]
    return table(("key", "default", "allowed", "variable", "what it is"), rows)


def trigger_sections() -> str:
    """Return the kinds of triggers, and a table of the settings of each."""
    kinds = [(f"`{kind.name}`", kind.question) for kind in TRIGGER_KINDS if kind.name in tables()]
    parts = [table(("kind", "what calls the function"), kinds)]
    folder = ROOT / "template" / trigger_kinds.FOLDER
    own = {path.parent.name for path in folder.glob(f"*/{trigger_kinds.SETTINGS}")}
    alike = {kind.name: kind.like for kind in TRIGGER_KINDS if kind.like and kind.name not in own}
    for name in (name for name in tables() if name not in alike):
        rows = trigger_rows(name, tables()[name].settings())
        names = " and ".join(f"`{each}`" for each in (name, *(other for other, like in alike.items() if like == name)))
        head = ("key", "default", "allowed", "what it is")
        parts += [f"### {names}\n", table(head, rows)] if rows else []
    return "\n".join(parts)


def trigger_rows(kind: str, settings: Any, prefix: str = "") -> list[tuple[str, ...]]:
    """Return a row for each setting of a trigger, and for each within a group of them."""
    rows: list[tuple[str, ...]] = []
    for each in settings_of(settings):
        key, rule, value = f"{prefix}{key_of(each)}", rule_of(each), getattr(settings, each.name)
        default = "required" if each.metadata["required"] else "" if value in (None, (), {}) else f"`{value!r}`"
        if isinstance(rule, Group):
            rows += [(f"`{key}`", "", "a mapping", each.metadata["purpose"])]
            rows += trigger_rows(kind, rule.kind(), f"{key}.")
        else:
            rows += [(f"`{key}`", default, allowed_of_trigger(kind, key), each.metadata["purpose"])]
    return rows


def allowed_of_trigger(kind: str, key: str) -> str:
    """Return what the validation says of a trigger's setting when it is given something that isn't allowed."""
    bad: Any = object()
    for part in reversed(key.split(".")):
        bad = {part: bad}
    return _allowed(f"triggers[0].{key}", {"triggers": [{"kind": kind, **bad}]})


def variable(key: str) -> str:
    """Return the name of the variable that overrides a setting."""
    return f"{PREFIX}{key.replace('.', '_').upper()}"


def allowed(key: str) -> str:
    """Return what the validation itself says is allowed, when it is given something that isn't."""
    bad: Any = object()
    for part in reversed(key.split(".")):
        bad = {part: bad}
    return _allowed(key, bad)


def _allowed(key: str, bad: Mapping[str, Any]) -> str:
    settings = {"project": "a", "environments": {"staging": ENVIRONMENT, "production": ENVIRONMENT}}
    try:
        load(_merged(settings, bad), ROOT)
    except BadInputError as error:
        for problem in error.problems:
            match = re.fullmatch(rf"stepladder\.{re.escape(key)} is .*?; allowed: (.*)", problem)
            if match:
                return match[1]
    raise LookupError(f"nothing checks {key}")


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {k: _merged(base[k], v) for k, v in over.items() if isinstance(v, Mapping) and k in base}
    return {**base, **over, **both}


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(map(escaped, line))} |\n" for line in lines)


def escaped(cell: str) -> str:
    """Return text that stays in one cell."""
    return cell.replace("|", "\\|") if "`" in cell else cell.replace("|", "\\|").replace("<", "&lt;")


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
        parts.append(table(("attribute", "type", "what it is", "written by"), rows))
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

{setting_table()}
## Triggers

An entry of `triggers` is a kind, or a mapping of `kind`, `name` and the settings below. The name is part of the names
of what Terraform makes for it, so an entry with another name is another queue or another schedule.
[The guide](../guides/triggers.md) has an example of each.

{trigger_sections()}
## Exit codes

{table(("code", "meaning"), codes)}
[Exit codes](exit-codes.md) says what to do, and which errors end with each.

## Environment variables

{table(("variable", "what it does"), variables)}
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

{table(("date", "decision"), rows)}"""


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

"""The tables of docs/reference/permissions.md: what the roles of CI jobs may do, as Terraform plans their policies.

The plan is the inventory that `tests/terraform/test_module_plans.py` compares with Terraform's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from markdown_tables import markdown_table

PAGE = "docs/reference/permissions.md"
INVENTORY = "tests/terraform/inventories/foundation-ci.yaml"
OF_MANY = "tests/terraform/inventories/foundation-cimany.yaml"
BEGIN, END = "<!-- begin: generated -->\n", "<!-- end: generated -->"
_NAMES = (
    (r"\bsample\b", "<project>"),
    (r"\b(staging|production)\b", "<env>"),
    (r"eu-west-1", "<region>"),
    (r"123456789012", "<account>"),
)
_SHOWN = "deploy-production", "deploy-staging", "plan-staging", "preview", "release-staging"
"""A role of each kind: the deploy roles differ by whether releases reach the environment by promotion."""


def page(root: Path) -> str:
    """Return the page with its tables."""
    text = (root / PAGE).read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    values, many = (yaml.safe_load((root / each).read_text("utf-8"))["values"] for each in (INVENTORY, OF_MANY))
    return f"{before}{BEGIN}\n{''.join(_sections(values))}{''.join(_of_many(values, many))}{END}{after}"


def _sections(values: dict[str, Any]) -> Iterator[str]:
    attached = [
        key.partition('"')[2].removesuffix('"]').split(":") for key in values if "role_policy_attachment" in key
    ]
    roles = [(f"`{_plain(role)}`", _kinds(role), _policies(role, attached)) for role in _SHOWN]
    yield f"{markdown_table(('role', 'environments', 'policies'), roles)}\n"
    done: set[str] = set()
    for address, each in values.items():
        name = _plain(address.partition('"')[2].removesuffix('"]'))
        if not address.startswith("aws_iam_policy.ci[") or name in done:
            continue
        done.add(name)
        statements = [_row(statement) for statement in each["policy"]["Statement"]]
        yield f"### `{name}`\n\n{markdown_table(('statement', 'actions', 'resources'), statements)}\n"


def _of_many(values: dict[str, Any], many: dict[str, Any]) -> Iterator[str]:
    """Yield what each statement names besides where a project has functions beside its own."""
    rows: dict[tuple[str, ...], None] = {}
    for address, each in many.items():
        if not address.startswith("aws_iam_policy.ci["):
            continue
        before = {one["Sid"]: one for one in values[address]["policy"]["Statement"]}
        for statement in each["policy"]["Statement"]:
            more = _named(statement) - _named(before.get(statement["Sid"], {}))
            shown = sorted({text for text in map(_short, more) if "-*" in text or "promotion/" in text})
            if shown:
                policy = _plain(address.partition('"')[2].removesuffix('"]'))
                rows[f"`{policy}`", statement["Sid"], ", ".join(f"`{text}`" for text in shown)] = None
    yield f"### Several functions\n\n{markdown_table(('policy', 'statement', 'named besides'), list(rows))}"


def _named(statement: dict[str, Any]) -> set[str]:
    """Return the resources of a statement, and the values of its conditions."""
    conditions = [value for keys in statement.get("Condition", {}).values() for value in keys.values()]
    return {text for value in (statement.get("Resource", []), *conditions) for text in _texts(value)}


def _kinds(role: str) -> str:
    return {
        "deploy-production": "that releases reach by promotion",
        "deploy-staging": "of the lowest rung, and outside the ladder",
        "preview": "previews",
    }.get(role, "all")


def _policies(role: str, attached: list[list[str]]) -> str:
    return ", ".join(f"`{_plain(policy)}`" for each, policy in attached if each == role)


def _row(statement: dict[str, Any]) -> tuple[str, ...]:
    denied = "" if statement["Effect"] == "Allow" else "**denied**: "
    actions = _listed(statement, "Action", str)
    resources = _listed(statement, "Resource", _short)
    tests = [
        f"{operator} `{key}`: {', '.join(dict.fromkeys(f'`{_short(value)}`' for value in _texts(values)))}"
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    ]
    condition = f"; if {', and '.join(tests)}" if tests else ""
    return statement["Sid"], f"{denied}{actions}", f"{resources}{condition}"


def _listed(statement: dict[str, Any], element: str, shown: Callable[[str], str]) -> str:
    """Return what a statement is about, or all but what it is not about."""
    values = statement.get(element) or statement[f"Not{element}"]
    text = ", ".join(dict.fromkeys(f"`{shown(each)}`" for each in _texts(values)))
    return text if element in statement else f"all but {text}"


def _short(resource: str) -> str:
    """Return a resource as its service's own part, since account and region are the environment's."""
    return _plain(re.sub(r"^arn:aws:([a-z0-9-]+):(?:eu-west-1)?:(?:123456789012)?:", r"\1:", resource))


def _plain(text: str) -> str:
    for pattern, name in _NAMES:
        text = re.sub(pattern, name, text)
    return text


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)

"""The settings `function.permissions` and `function.managed_policies`: what the function may do besides its own work.

An entry of `permissions` is a statement, or the name of a file under `policies/`, which holds a policy document of IAM.
A file may stand in a mapping, with the reasons of its wide statements by their `Sid`: JSON has no comments, and IAM
takes no element that it doesn't know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from stepladder.core import text
from stepladder.core.errors import BadInputError
from stepladder.core.names import partition_of
from stepladder.core.similar import did_you_mean
from stepladder.settings import policy, references
from stepladder.settings.policy import Statement
from stepladder.settings.problems import Problems
from stepladder.settings.table import Check

FOLDER = "policies"
MOST_MANAGED = 10
"""Managed policies of a role: AWS's quota, unless it was raised."""

_KEYS = ("actions", "conditions", "effect", "reason", "resources", "sid")
_FILE_KEYS = ("file", "reasons")
_ELEMENTS = {"Action": "actions", "Condition": "conditions", "Effect": "effect", "Resource": "resources", "Sid": "sid"}
_DOCUMENT = ("Id", "Statement", "Version")
_ENTRY = f"a statement with actions and resources, or the name of a file like {FOLDER}/orders.json"
_MANAGED = r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}|aws):policy/[\w+=,.@/-]+"
_MANAGED_WORDS = "ARNs of managed policies, such as arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"


class Permissions:
    """A list of statements and policy files; read, it is the statements of both."""

    terraform_type = (
        "list(object({ actions = list(string), conditions = map(map(list(string))), effect = string, "
        "resources = list(string), sid = string }))"
    )

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> tuple[Statement, ...]:
        """See `Rule`."""
        if not isinstance(value, (list, tuple)):
            problems.add(key, value, f"a list, each of it {_ENTRY}")
            return ()
        statements = [each for number, raw in enumerate(value) for each in _entry(f"{key}[{number}]", raw, problems)]
        sids = [each["sid"] for each in statements if each["sid"]]
        for sid in sorted({sid for sid in sids if sids.count(sid) > 1}):
            problems.add(key, f"{sids.count(sid)} statements with the sid {sid}", "a sid for each statement of its own")
        if (size := policy.size(statements)) > policy.LONGEST:
            problems.add(
                key, f"a policy of {size} characters", f"at most {policy.LONGEST} characters; IAM takes no more"
            )
        return tuple(statements)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        each = f"for each in var.{variable}"
        return (
            Check(
                f"alltrue([{each} : length(each.actions) > 0 && length(each.resources) > 0])",
                f"{variable} must have actions and resources in each statement.",
            ),
            Check(
                f'alltrue([{each} : contains(["Allow", "Deny"], each.effect)])',
                f"{variable} must have the effect Allow or Deny in each statement.",
            ),
        )


class ManagedPolicies:
    """ARNs of managed policies. Terraform gets them by names that are known before any value is."""

    terraform_type = "map(string)"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> tuple[str, ...]:
        """See `Rule`."""
        if not isinstance(value, (list, tuple)):
            problems.add(key, value, f"a list of {_MANAGED_WORDS}")
            return ()
        for each in value:
            if not isinstance(each, str) or not (references.passes(key, each) or re.fullmatch(_MANAGED, each)):
                problems.add(key, each, _MANAGED_WORDS)
        if len(set(map(str, value))) < len(value):
            problems.add(key, list(value), "each policy once")
        if len(value) > MOST_MANAGED:
            problems.add(key, f"{len(value)} policies", f"at most {MOST_MANAGED}, as AWS attaches to a role")
        return tuple(str(each) for each in value)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        shape = "^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[a-zA-Z0-9_+=,.@/-]+$"
        return (
            Check(
                f'alltrue([for arn in values(var.{variable}) : can(regex("{shape}", arn))])',
                f"{variable} must be ARNs of managed policies, by any names.",
            ),
        )

    @staticmethod
    def variable(value: tuple[str, ...]) -> dict[str, str]:
        """Return the ARNs by names: the ARN, or what a reference names, so that the order of the list says nothing."""
        return {re.sub(r"[${}]", "", each): each for each in value}


def check_location(key: str, function: Any, region: str, account: str, problems: Problems) -> None:
    """Check what only an environment knows: the partition of its region, and its account."""
    own = partition_of(region)
    for each in function.managed_policies:
        arn = re.fullmatch(_MANAGED, each)
        if arn and (arn["partition"] != own or arn["account"] not in ("aws", account)):
            problems.add(
                f"{key}.managed_policies", each, f"policies of AWS or of account {account}: arn:{own}:iam::..."
            )
    for resource, partition in policy.partitions(r for each in function.permissions for r in each["resources"]):
        if partition != own:
            problems.add(f"{key}.permissions", resource, f"resources of the partition of {region}: arn:{own}:...")


def _entry(key: str, raw: Any, problems: Problems) -> list[Statement]:
    if isinstance(raw, str):
        return _file(key, raw, {}, problems)
    if isinstance(raw, Mapping) and "file" in raw:
        given = problems.mapping(key, raw, _FILE_KEYS)
        reasons = given.get("reasons", {})
        if not isinstance(reasons, Mapping):
            problems.add(f"{key}.reasons", reasons, "a reason for each Sid")
            reasons = {}
        return _file(key, given["file"], reasons, problems)
    if not isinstance(raw, Mapping):
        problems.add(key, raw, _ENTRY)
        return []
    return [policy.statement(key, problems.mapping(key, raw, _KEYS), problems)]


def _file(key: str, name: Any, reasons: Mapping[str, Any], problems: Problems) -> list[Statement]:
    path = _path(key, name, problems)
    if path is None:
        return []
    try:
        document = text.read_json(path, where=str(name))
    except (BadInputError, OSError) as error:
        why = error.message if isinstance(error, BadInputError) else error.strerror
        problems.messages.append(f"stepladder.{key} is {name!r}: {why}")
        return []
    where = f"{key} ({name})"
    raw = document.get("Statement") if isinstance(document, Mapping) else None
    listed = [raw] if isinstance(raw, Mapping) else raw
    if not isinstance(listed, list) or not listed or not all(isinstance(each, Mapping) for each in listed):
        problems.add(where, document, "a policy document of IAM: an object with a Statement that isn't empty")
        return []
    for element in [each for each in document if each not in _DOCUMENT]:
        problems.add(f"{where}.{element}", document[element], f"the elements {', '.join(_DOCUMENT)}")
    if document.get("Version") != policy.VERSION:
        problems.add(f"{where}.Version", document.get("Version"), policy.VERSION)
    sids = [str(each.get("Sid")) for each in listed if each.get("Sid")]
    for sid in [each for each in reasons if each not in sids]:
        meant = did_you_mean(sid, sids)
        problems.add(f"{key}.reasons.{sid}", reasons[sid], f"reasons of statements by their Sid; {meant}".rstrip("; "))
    return [_of_file(where, number, each, reasons, problems) for number, each in enumerate(listed)]


def _of_file(
    where: str, number: int, raw: Mapping[str, Any], reasons: Mapping[str, Any], problems: Problems
) -> Statement:
    """Return a statement of a file, in which the elements have IAM's names."""
    key = f"{where}.Statement[{number}]"
    for element in [each for each in raw if each not in _ELEMENTS]:
        instead = {"NotAction": "Action", "NotResource": "Resource"}.get(element)
        allowed = f"{instead}: what may be done is named" if instead else f"the elements {', '.join(_ELEMENTS)}"
        problems.add(f"{key}.{element}", raw[element], allowed)
    given = {_ELEMENTS[name]: value for name, value in raw.items() if name in _ELEMENTS}
    if "effect" not in given:
        problems.add(f"{key}.Effect", None, " or ".join(policy.EFFECTS))
    if raw.get("Sid") in reasons:
        given["reason"] = reasons[raw["Sid"]]
    return policy.statement(key, given, problems)


def _path(key: str, name: Any, problems: Problems) -> Path | None:
    """Return a policy file's path; None when it isn't one of the project."""
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    if not parts or parts[0] != FOLDER or ".." in parts or not str(name).endswith(".json"):
        problems.add(key, name, _ENTRY)
        return None
    folder, path = problems.root / FOLDER, problems.root / str(name)
    if not path.is_file():
        known = sorted(each.relative_to(problems.root).as_posix() for each in folder.rglob("*.json"))
        meant = did_you_mean(name, known)
        problems.add(key, name, f"a file that exists; {meant or ('files: ' + (', '.join(known) or 'none yet'))}")
        return None
    if not path.resolve().is_relative_to(problems.root.resolve()):
        problems.add(key, name, f"a file inside the project; this one leads to {path.resolve()}")
        return None
    return path

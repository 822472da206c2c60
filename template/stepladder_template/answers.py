"""The rules for answers, all checked at once. AWS's limits come from stepladder's own `names.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from stepladder_template.core_modules import load_module

ENVIRONMENT = "staging"
NAME_MAX = 60
DESCRIPTION_MAX = 200
BUCKET_MAX = 63
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
RESERVED_PREFIXES = ("sthree-", "amzn-s3-demo-")
ACCOUNT = "12 digits (in quotes in a YAML file)"
SHOWN = 40


def load_names() -> ModuleType:
    """Load stepladder's names and their rules."""
    return load_module("names")


def problems(answers: Mapping[str, Any]) -> list[str]:
    """Return one line for each answer that won't do. An answer that isn't given is no problem."""
    names = load_names()
    rules: dict[str, Callable[[object], str]] = {
        "project_name": lambda value: _text(value, NAME_MAX),
        "project_slug": lambda value: _slug(value, names),
        "description": lambda value: _text(value, DESCRIPTION_MAX),
        "aws_account": lambda value: _fitting(names.ACCOUNT_PATTERN, value, ACCOUNT),
        "aws_region": lambda value: _fitting(names.REGION_PATTERN, value, "a region like eu-west-1"),
    }
    messages = [
        f"{key} is {_shown(answers[key])}; allowed: {allowed}"
        for key, rule in rules.items()
        if key in answers and (allowed := rule(answers[key]))
    ]
    return messages or (_derived(answers, names) if rules.keys() <= answers.keys() else [])


def explain(messages: list[str]) -> str:
    """Return the problems as one message."""
    return "\n".join(["these answers can't become a project:", *(f"  - {line}" for line in messages)])


def _text(value: object, longest: int) -> str:
    """Free text is data: any printable characters on one line."""
    good = isinstance(value, str) and value.strip() and value.isprintable() and len(value) <= longest
    return "" if good else f"1 to {longest} printable characters on one line"


def _fitting(pattern: str, value: object, allowed: str) -> str:
    return "" if isinstance(value, str) and value.isascii() and re.fullmatch(pattern, value) else allowed


def _slug(value: object, names: ModuleType) -> str:
    longest = names.PROJECT_MAX
    allowed = f"at most {longest} lower-case letters, digits and single hyphens, beginning with a letter"
    if _fitting(names.PROJECT_PATTERN, value, allowed) or len(str(value)) > longest:
        return allowed
    if str(value).startswith(RESERVED_PREFIXES):
        return f"no prefix that S3 reserves ({', '.join(RESERVED_PREFIXES)})"
    return f"no name of a package that the project needs, as {value} is" if value in package_names() else ""


def package_names() -> frozenset[str]:
    """Return the packages that a project installs, by their PEP 503 names. A project of such a name would hide one."""
    text = Path(__file__).with_name("packages.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


def _derived(answers: Mapping[str, Any], names: ModuleType) -> list[str]:
    """Check the longest derived name; the others are shorter by construction."""
    place = (ENVIRONMENT, answers["aws_account"], answers["aws_region"])
    bucket = names.Names(answers["project_slug"], *place).artifacts_bucket
    if len(bucket) <= BUCKET_MAX:
        return []
    return [f"project_slug and aws_region make the bucket name {bucket}; allowed: at most {BUCKET_MAX} characters"]


def _shown(value: object) -> str:
    if isinstance(value, str) and len(value) > SHOWN:
        return f"{value[:SHOWN]!r}... ({len(value)} characters)"
    return repr(value)

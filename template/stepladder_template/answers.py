"""The rules for answers, all checked at once. AWS's limits come from stepladder's own `names.py`."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

ENVIRONMENTS = ("staging", "production")
NAME_MAX = 60
DESCRIPTION_MAX = 200
BUCKET_MAX = 63
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
RESERVED_PREFIXES = ("sthree-", "amzn-s3-demo-")
SHOWN = 40


def load_names() -> ModuleType:
    """Load `stepladder/names.py` as it lies beside this template: in a checkout, or around a wheel's data folder.

    By path, not by import: cookiecutter's Python may have no stepladder, or another version of it.
    """
    root = Path(__file__).resolve().parent.parent.parent
    for path in (root / "stepladder" / "names.py", root.parent / "names.py"):
        if path.is_file():
            spec = importlib.util.spec_from_file_location("stepladder_template_names", path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module  # dataclasses look their module up
            spec.loader.exec_module(module)
            return module
    raise FileNotFoundError(f"stepladder/names.py isn't beside the template in {root}")


def problems(answers: Mapping[str, Any]) -> list[str]:
    """Return one line for each answer that won't do; an empty list when all are fine."""
    names = load_names()
    found = [
        *_text("project_name", answers.get("project_name"), NAME_MAX),
        *_text("description", answers.get("description"), DESCRIPTION_MAX),
        *_slug(answers.get("project_slug"), names),
    ]
    for key in ("aws_account", "production_account"):
        if not _fits(names.ACCOUNT_PATTERN, answers.get(key)):
            found.append(_problem(key, answers.get(key), "12 digits"))
    region = answers.get("aws_region")
    if not _fits(names.REGION_PATTERN, region):
        found.append(_problem("aws_region", region, "a region like eu-west-1"))
    return found or _derived(answers, names)


def explain(found: list[str]) -> str:
    """Return the problems as one message."""
    return "\n".join(["these answers can't become a project:", *(f"  - {line}" for line in found)])


def _text(key: str, value: object, longest: int) -> list[str]:
    """Free text is data: any printable characters on one line."""
    if isinstance(value, str) and value.strip() and value.isprintable() and len(value) <= longest:
        return []
    return [_problem(key, value, f"1 to {longest} printable characters on one line")]


def _slug(value: object, names: ModuleType) -> list[str]:
    allowed = f"at most {names.PROJECT_MAX} lower-case letters, digits and single hyphens, beginning with a letter"
    if not _fits(names.PROJECT_PATTERN, value) or len(str(value)) > names.PROJECT_MAX:
        return [_problem("project_slug", value, allowed)]
    if str(value).startswith(RESERVED_PREFIXES):
        return [_problem("project_slug", value, f"no prefix that S3 reserves ({', '.join(RESERVED_PREFIXES)})")]
    return []


def _derived(answers: Mapping[str, Any], names: ModuleType) -> list[str]:
    """Check the longest derived names; the others are shorter by construction."""
    found = []
    for environment, account in zip(ENVIRONMENTS, ("aws_account", "production_account"), strict=True):
        derived = names.Names(answers["project_slug"], environment, answers[account], answers["aws_region"])
        if len(derived.artifacts_bucket) > BUCKET_MAX:
            found.append(f"the bucket {derived.artifacts_bucket} is longer than {BUCKET_MAX} characters: shorten project_slug")
    return found[:1]


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and value.isascii() and bool(pattern.fullmatch(value))


def _problem(key: str, value: object, allowed: str) -> str:
    shown = value if not isinstance(value, str) or len(value) <= SHOWN else f"{value[:SHOWN]}... ({len(value)} characters)"
    return f"{key} is {shown!r}; allowed: {allowed}"

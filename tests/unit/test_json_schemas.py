"""What `--json` prints has a published schema, and the schemas say what is printed."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
import schemas
from jsonschema import Draft202012Validator

from stepladder.commands import drift_report, explain
from stepladder.core import json_schema
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference" / "schemas"


@dataclass
class Inner:
    name: str
    shares: tuple[tuple[str, float], ...] = field(default=(), metadata={"json": dict[str, float]})


class Outer(TypedDict):
    """An outer thing."""

    kind: Literal["a", "b"]
    inners: list[Inner]
    place: Path
    pair: tuple[int, str]
    anything: Any
    about: Annotated[str, "what it is about"]
    maybe: NotRequired[str | None]
    by_name: Mapping[str, bool]


def test_a_schema_says_of_each_key_what_it_is():
    definitions: dict[str, Any] = {}
    assert json_schema.schema_of(Outer, definitions) == {"$ref": "#/$defs/Outer"}
    outer = definitions["Outer"]
    assert outer["description"] == "An outer thing."
    assert set(outer["required"]) == {"kind", "inners", "place", "pair", "anything", "about", "by_name"}
    assert outer["properties"] == {
        "kind": {"enum": ["a", "b"]},
        "inners": {"type": "array", "items": {"$ref": "#/$defs/Inner"}},
        "place": {"type": "string"},
        "pair": {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "minItems": 2,
            "maxItems": 2,
        },
        "anything": {},
        "about": {"type": "string", "description": "what it is about"},
        "maybe": {"type": ["string", "null"]},
        "by_name": {"type": "object", "additionalProperties": {"type": "boolean"}},
    }
    shares = definitions["Inner"]["properties"]["shares"]
    assert shares == {"type": "object", "additionalProperties": {"type": "number"}}


def test_every_task_with_json_names_what_it_prints():
    assert [command for command, prints in schemas.printing().items() if not prints] == []


def test_every_command_with_json_has_a_published_schema_that_is_one():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(schemas.printing())
    for path in FOLDER.glob("*.json"):
        Draft202012Validator.check_schema(json.loads(path.read_text("utf-8")))


def test_a_key_that_no_schema_lists_fails_the_test_that_prints_it():
    console = Console(out=io.StringIO(), err=io.StringIO(), as_json=True)
    drift_report.conclude(console, {"drifted": False, "roots": []}, None)
    with pytest.raises(AssertionError, match="fits no published schema"):
        drift_report.conclude(console, {"drifted": False, "roots": [], "surprise": True}, None)


@pytest.mark.parametrize("missing", ["error", "error_kind", "exit_code", "hint", "problems"])
def test_an_error_without_one_of_its_keys_is_no_error(missing):
    whole = {"error": "no", "error_kind": "failed", "exit_code": 1, "hint": "", "problems": [], "known": 1}
    assert not schemas.faults(whole, ["deploy"])
    assert schemas.faults({key: value for key, value in whole.items() if key != missing}, ["deploy"])


def test_a_user_can_print_the_schema_of_a_command():
    out = io.StringIO()
    explain.show_schema("inv status", Console(out=out, err=io.StringIO()))
    assert json.loads(out.getvalue())["title"] == "inv status --json"


def test_a_schema_of_a_command_without_one_is_bad_input():
    with pytest.raises(BadInputError) as caught:
        explain.show_schema("statsu", Console(out=io.StringIO(), err=io.StringIO()))
    assert "`status`" in caught.value.hint

"""Nothing that others call or store is lost from one version to the next."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_public_name_is_lost(generate):
    schemas = generate.json_reference.documents(ROOT, generate.tasks())
    now = generate.public_api.current(ROOT, generate.tasks(), schemas)
    lost = generate.public_api.lost(generate.public_api.recorded(ROOT), now)

    assert lost == [], (
        "these names are public: keep them, or an alias of each. Removing one asks for a new major version "
        "(before 1.0 a minor one) after a deprecation; docs/reference/public-api.md says how"
    )


def test_a_name_that_is_gone_or_renamed_is_reported(generate):
    known = {"settings": ["stepladder.one", "stepladder.two"], "answers": ["colour"]}

    assert generate.public_api.lost(known, {"settings": {"stepladder.two", "stepladder.uno"}}) == [
        "settings: stepladder.one",
        "answers: colour",
    ]


def test_a_new_name_is_added_and_a_lost_one_stays_recorded(generate, tmp_path):
    for name in ("template/cookiecutter.json", "docs/reference/public-api.json"):
        (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / "template/cookiecutter.json").write_text('{"new": 1, "_private": 2}')
    (tmp_path / "docs/reference/public-api.json").write_text('{"answers": ["old"]}')
    schema = {"anyOf": [{"type": "object", "required": ["a"]}, {"items": {"required": ["b"]}}]}
    written = json.loads(generate.public_api.text(tmp_path, (), {Path("status.json"): json.dumps(schema)}))

    assert written["answers"] == ["new", "old"]
    assert written["json"] == ["status a", "status b"]

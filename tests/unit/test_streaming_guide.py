"""The guide to streamed answers, as somebody types it into a new project."""

import json
import re
import textwrap
from pathlib import Path
from types import ModuleType

GUIDE = (Path(__file__).resolve().parents[2] / "docs/guides/streaming.md").read_text("utf-8")


def block(language, holds):
    blocks = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return next(textwrap.dedent(each) for each in blocks if holds in each)


def test_its_handler_gives_what_its_smoke_case_expects(monkeypatch):
    monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API", raising=False)
    code = block("python", "def answer").replace("from app import streaming", "")
    module = ModuleType("handler")
    exec(code, module.__dict__)
    case = json.loads(block("json", "expect"))
    answer = module.handler(case["payload"], None)
    assert {**answer, **case["expect"]["result"]} == answer


def test_it_signs_what_it_sends_to_a_url_that_takes_signed_requests():
    assert "kind: url-iam" in GUIDE
    assert "--aws-sigv4" in block("sh", "curl")

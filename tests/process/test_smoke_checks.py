"""A project's own checks of smoke cases, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stepladder.releases import smoke_case, smoke_check
from stepladder.releases.smoke_check import OwnCheck
from stepladder.terraform import function_packages

ANSWER = {"statusCode": 200, "body": {"total": 7}}


def run(source: str, answer: Any = ANSWER, **captured: Any) -> list[str]:
    return smoke_check.run(OwnCheck("checks.py", "check_total", source), answer, captured)


@pytest.mark.parametrize(
    "source",
    [
        "def check_total(answer): assert answer['body']['total'] == 7",
        "def check_total(answer, captured): return [] if captured['wanted'] == answer['body']['total'] else ['no']",
        "def check_total(answer): return True",
        "import decimal, re\ndef check_total(answer):\n    print('seen', answer)\n    return None",
    ],
)
def test_an_answer_that_is_as_it_should_be_has_no_problem(source: str) -> None:
    assert run(source, wanted=7) == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("def check_total(answer):\n    assert answer['body']['total'] == 8, 'total'", ["total (checks.py:2)"]),
        ("def check_total(answer):\n    assert answer == 8", ["an assertion failed (checks.py:2)"]),
        ("def check_total(answer): return ['one', 'two']", ["one", "two"]),
        ("def check_total(answer): return 'one'", ["one"]),
        ("def check_total(answer): return 7", ["it returned 7; allowed: None, a text, or a list of texts"]),
        ("def check_total(answer):\n    return answer['sum']", ["KeyError: 'sum' (checks.py:2)"]),
        (
            "import sys\ndef check_total(answer): sys.exit(3)",
            ["it called exit(3) (checks.py:2); a check returns or raises"],
        ),
        ("import os\ndef check_total(answer): os._exit(3)", ["it ended its own process (exit code 3)"]),
        ("import os\ndef check_total(answer): os.kill(os.getpid(), 9)", ["it ended its own process (signal 9)"]),
        (
            "import boto3\ndef check_total(answer): pass",
            ["it imports boto3, which is not there (checks.py:1); a check has the standard library only"],
        ),
        (
            "def check_total(answer):\n    print('seen')\n    return 'wrong'",
            ["wrong", "it printed: seen"],
        ),
    ],
)
def test_what_is_wrong_is_a_line_each(source: str, lines: list[str]) -> None:
    assert run(source) == [f"check checks.py:check_total: {line}" for line in lines]


@pytest.mark.parametrize(
    "source",
    [
        "def check_total(answer):\n    while True: pass",
        "import signal as s\ndef check_total(answer):\n    s.signal(s.SIGTERM, s.SIG_IGN)\n    while True: pass",
        "import subprocess\ndef check_total(answer): subprocess.run(['sleep', '60'])",
    ],
    ids=["turns for ever", "ignores signals", "waits for what it started"],
)
def test_a_check_that_hangs_is_ended_with_all_that_it_started(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke_check, "SECONDS", 0.5)
    started = time.monotonic()
    assert run(source) == ["check checks.py:check_total: it did not end within 0.5 s"]
    assert time.monotonic() - started < 30


def test_a_check_sees_no_credentials_and_no_file_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    source = (
        "import os\ndef check_total(answer): return [str(sorted(k for k in os.environ if 'AWS' in k)), os.getcwd()]"
    )
    keys, folder = run(source)
    assert keys.endswith(": []")
    assert folder.rpartition(" ")[2] != str(Path.cwd())


def test_a_case_is_judged_by_its_check_too(tmp_path: Path) -> None:
    checks = "def same(answer, captured): assert answer['body']['id'] == captured['id'], 'another id'"
    steps = [{"capture": {"id": "$.body.id"}}, {"payload": 1, "check": "checks.py:same"}]
    (case,) = smoke_case.parse({"a.json": json.dumps({"name": "a", "steps": steps}), "checks.py": checks})
    answers = iter([{"body": '{"id": 1}'}, {"body": '{"id": 2}'}])
    outcome = smoke_case.run_case(case, lambda _payload: (next(answers), None, 0.0))
    assert outcome.mismatches == ("step 2: check checks.py:same: another id (checks.py:1)",)


def test_the_functions_package_is_whole_and_runs_a_check_with_the_standard_library_alone(tmp_path: Path) -> None:
    package = tmp_path / "check.zip"
    package.write_bytes(function_packages.build("check").data)
    request = {"file": "checks.py", "function": "total", "answer": 1, "captured": {}}
    request["source"] = "def total(answer): assert answer == 2, 'not two'"
    script = "import json, sys; sys.path.insert(0, sys.argv[1]); import check; "
    script += "print(json.dumps(check.handler(json.loads(sys.argv[2]), None)))"
    command = [sys.executable, "-I", "-S", "-c", script, str(package), json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"problems": ["check checks.py:total: not two (checks.py:1)"]}

"""Every prompt where nobody can answer it: the command ends at once, and says which flag answers in place of a person.

`PROMPTS` lists each place of the code that asks or reads standard input; a new one has to be added to it.
"""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import terminals
import yaml
from live_project import TASKS

from stepladder.commands import destroy
from stepladder.core import terminal
from stepladder.core.console import Console
from stepladder.core.errors import RefusedError

ROOT = Path(__file__).resolve().parents[2]
CALLS = {"ask", "ask_text", "getpass", "input", "prompt_for_config", "piped", "readline"}
STANDARD_INPUT = {"stdin"}
PROMPTS = {
    # asked by the console, which answers None where nobody can
    "stepladder/commands/bootstrap.py:_confirm": "tests/unit/test_commands_bootstrap.py",
    "stepladder/commands/bootstrap.py:_writes": "tests/unit/test_commands_bootstrap.py",
    "stepladder/commands/destroy.py:confirm": "this file",
    "stepladder/commands/doctor.py:_confirm": "tests/local/test_terminal_tasks.py",
    "stepladder/commands/prune_versions.py:prune": "tests/unit/test_prune_versions.py",
    "stepladder/commands/rollback.py:judged": "tests/local/test_terminal_tasks.py",
    "stepladder/commands/serve.py:_check_environment": "this file",
    "stepladder/images/prune.py:run": "tests/unit/test_images_prune.py",
    "stepladder/promotion/infra.py:_ask": "tests/unit/test_promotion_infra.py",
    # read by themselves
    "stepladder/commands/http_call.py:_typed": "tests/unit/test_commands_http_call.py",
    "stepladder/core/credentials.py:mfa_code": "this file",
    "stepladder/scaffold/generate.py:_ask": "this file",
    "stepladder/scaffold/generate.py:_check_answers": "this file",
    "stepladder/secrets/value.py:_piped": "tests/unit/test_secrets.py",
    "stepladder/secrets/value.py:_prompted": "tests/local/test_terminal_tasks.py",
}
OWN = {"stepladder/core/console.py", "stepladder/core/terminal.py"}
"""The mechanism."""
NOT_OF_A_PERSON = {
    "stepladder/core/git.py",  # `ask` asks git
    "stepladder/releases/smoke_check.py",  # a child's standard input
    "stepladder/releases/smoke_pattern.py",
    "stepladder/upgrade/render_worker.py",  # cookiecutter's prompts with `no_input`
}


def _prompts() -> Iterator[str]:
    for path in sorted((ROOT / "stepladder").rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if name in OWN | NOT_OF_A_PERSON:
            continue
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef) and any(map(_asks, ast.walk(function))):
                yield f"{name}:{function.name}"


def _asks(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in STANDARD_INPUT and isinstance(node.value, ast.Name) and node.value.id == "sys"
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Name):
        return called.id in CALLS
    owner = called.value if isinstance(called, ast.Attribute) else None
    of_another = isinstance(owner, ast.Name) and owner.id in {"git", "file"}
    return isinstance(called, ast.Attribute) and called.attr in CALLS and not of_another


def test_every_prompt_of_the_code_is_tested_without_a_terminal() -> None:
    assert set(_prompts()) == set(PROMPTS)
    files = {where for where in PROMPTS.values() if where != "this file"}
    assert [each for each in files if not (ROOT / each).is_file()] == []


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    location = {"account": "111122223333", "region": "eu-west-1"}
    settings = {
        "project": "hello",
        "environments": {"staging": location, "production": location},
    }
    (root / "invoke.yaml").write_text(yaml.safe_dump({"stepladder": settings}))
    (root / "tasks.py").write_text(TASKS)
    return root


@contextmanager
def _input(kind: str) -> Iterator[int | None]:
    """Yield a standard input that nobody answers at: none, an empty one, or a pipe that stays silent and open."""
    if kind == "closed":
        yield None
    elif kind == "/dev/null":
        with open(os.devnull, "rb") as null:  # noqa: PTH123 - a descriptor is needed
            yield null.fileno()
    else:
        source, sink = os.pipe()
        try:
            yield source
        finally:
            os.close(source)
            os.close(sink)


COMMANDS = {
    "new": ("new", 2, "there is nobody to answer the prompts", "`--no-input`"),
    "serve": ("serve --env production", 4, "nobody confirmed", "`inv serve --env production --yes`"),
}

KINDS = ("closed", "/dev/null", "a silent pipe")
WITHOUT = [(name, kind) for name in COMMANDS for kind in KINDS]


def _argv(command: str) -> list[str]:
    return [sys.executable, "-m", "invoke", *command.split()]


def _environment(**more: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CI", "GITHUB", "GITLAB"))
    }
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true", **more}


@pytest.mark.parametrize(("name", "kind"), WITHOUT)
def test_a_prompt_that_nobody_can_answer_ends_the_command(project: Path, name: str, kind: str) -> None:
    command, code, message, flag = COMMANDS[name]
    began = time.monotonic()
    with _input(kind) as descriptor:
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" <&-', "sh", *_argv(command)] if descriptor is None else _argv(command),
            cwd=project,
            env=_environment(),
            stdin=descriptor,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert flag in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began < 30  # no deadline of ours is as long


@pytest.mark.parametrize("name", COMMANDS)
def test_a_terminal_of_a_ci_job_is_no_terminal(project: Path, name: str) -> None:
    command, code, message, flag = COMMANDS[name]
    shown = terminals.run(_argv(command), cwd=project, env=_environment(CI="true"), width=200, deadline=60)
    assert shown.code == code, shown.text
    assert message in shown.text
    assert flag in shown.text


def test_the_code_of_an_mfa_device_is_asked_of_nobody(project: Path, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile mfa]\nrole_arn = arn:aws:iam::123456789012:role/deployer\nsource_profile = own\n"
        "mfa_serial = arn:aws:iam::123456789012:mfa/me\nregion = eu-west-1\n"
        "[profile own]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = secret\n"
    )
    environment = _environment(AWS_CONFIG_FILE=str(config), AWS_PROFILE="mfa")
    with _input("/dev/null") as descriptor:
        done = subprocess.run(
            _argv("status"),
            cwd=project,
            env=environment,
            stdin=descriptor,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 6, done.stderr
    assert "wants a code of its MFA device, and nobody can be asked for it here" in done.stderr
    assert '`eval "$(aws configure export-credentials --profile mfa --format env)"`' in done.stderr


def test_what_is_piped_is_read_to_its_end_and_silence_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_PATIENCE", 0.01)
    source, sink = os.pipe()
    with os.fdopen(source) as stdin, os.fdopen(sink, "wb") as feed:
        monkeypatch.setattr("sys.stdin", stdin)
        feed.write(b"abc")
        feed.flush()
        with pytest.raises(terminal.NoInputError, match="silent for 0 s"):
            terminal.piped(silence=0)


def test_an_endless_pipe_answers_the_prompts_of_a_new_project(tmp_path: Path) -> None:
    with subprocess.Popen(["yes", ""], stdout=subprocess.PIPE) as endless:
        done = subprocess.run(
            [*_argv("new --output"), str(tmp_path)],
            stdin=endless.stdout,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        endless.kill()
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["hello-ladder"]


def test_a_name_that_nobody_can_type_destroys_nothing() -> None:
    console = Console(err=io.StringIO(), live=False)
    with pytest.raises(RefusedError, match="nobody can be asked here") as refused:
        destroy.confirm(console, "staging", "", "--env staging")
    assert "`inv destroy --env staging --confirm staging`" in refused.value.hint

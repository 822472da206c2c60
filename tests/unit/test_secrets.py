"""Setting, rotating and listing secrets, with stores that play AWS's part: no value is read, printed or logged."""

from __future__ import annotations

import contextlib
import getpass
import io
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.deploy_harness import FakeTime
from fakes.errors import Scripted, error
from fakes.secret_stores import CHANGED, Manager, Parameters

from stepladder.commands import secrets as commands
from stepladder.core import terminal
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, ExitCode, RefusedError, StepladderError
from stepladder.releases import secret_check
from stepladder.releases.rung import Rung
from stepladder.secrets import value as values
from stepladder.settings.load import load

ACCOUNT, REGION = "123456789012", "eu-west-1"
PLACE = {"account": ACCOUNT, "region": REGION}
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd"
PATH, NAME = "/hello/staging/API_KEY", "hello/staging/FILE_KEY"
SECRET = "correct horse"


class Sts(Scripted):
    account = ACCOUNT

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": self.account}


class Aws:
    def __init__(self, **clients: Any) -> None:
        self.clients = clients

    def client(self, service: str, *, lasting: float = 0) -> Any:
        return self.clients[service]

    def account(self) -> str:
        return str(self.clients["sts"].get_caller_identity()["Account"])


class Project:
    """A project with a secret in each store, and what its commands print."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ssm, self.manager, self.sts = Parameters(), Manager(), Sts()
        self.function: dict[str, Any] = {"secrets": {"API_KEY": "ssm", "FILE_KEY": "secretsmanager"}}
        self.printed = io.StringIO()
        self.out = io.StringIO()
        self.monkeypatch = monkeypatch
        self.as_json = False

    def rung(self, environment: str = "staging") -> Rung:
        environments = {"staging": PLACE, "production": PLACE}
        settings = load({"project": "hello", "function": self.function, "environments": environments}, Path())
        aws = Aws(ssm=self.ssm, secretsmanager=self.manager, sts=self.sts)
        console = Console(err=self.printed, out=self.out, live=False, as_json=self.as_json)
        return Rung(settings, environment, aws, console, "a test", FakeTime().clock())  # type: ignore[arg-type]

    def set(self, name: str, data: bytes | str, *, rotate: bool = False) -> Any:
        """Set a secret by standard input."""
        with _piped(data.encode() if isinstance(data, str) else data) as source:
            self.monkeypatch.setattr("sys.stdin", source)
            return commands.set_value(self.rung(), name, rotate=rotate)


@contextlib.contextmanager
def _piped(data: bytes) -> Iterator[Any]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        with io.TextIOWrapper(file) as text:
            yield text


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(monkeypatch)


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    caplog.set_level(logging.DEBUG)
    return lambda: caplog.text


def test_a_parameter_is_made_encrypted_with_its_owners_tags_in_one_call(project: Project) -> None:
    record = project.set("API_KEY", f"{SECRET}\n")
    (stored,) = project.ssm.values[PATH]
    assert stored == {"Value": SECRET, "Type": "SecureString", "Tier": "Standard"}
    assert project.ssm.tags[PATH] == {"environment": "staging", "managed-by": "stepladder", "project": "hello"}
    assert [call for call in project.ssm.calls if call != "DescribeParameters"] == ["PutParameter"]
    assert (record["version"], record["previous_version"], record["store"]) == ("1", "", "ssm")
    assert "staging: API_KEY is set, version 1 of ssm:/hello/staging/API_KEY" in project.printed.getvalue()


def test_a_secret_of_secrets_manager_is_made_in_one_call_and_replaced_in_one(project: Project) -> None:
    first = project.set("FILE_KEY", SECRET)
    second = project.set("FILE_KEY", "another", rotate=True)
    secret = project.manager.secrets[NAME]
    assert [version["SecretString"] for version in secret["versions"]] == [SECRET, "another"]
    assert {tag["Key"]: tag["Value"] for tag in secret["told"]["Tags"]}["project"] == "hello"
    assert [call for call in project.manager.calls if call != "DescribeSecret"] == ["CreateSecret", "PutSecretValue"]
    assert second["previous_version"] == first["version"] != second["version"]
    assert "keeps version" in project.printed.getvalue()
    assert "as AWSPREVIOUS" in project.printed.getvalue()


def test_no_value_is_printed_logged_or_returned(
    project: Project, everything_logged: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    records = [project.set("API_KEY", SECRET), project.set("API_KEY", SECRET), project.set("FILE_KEY", SECRET)]
    commands.show(project.rung())
    printed = project.printed.getvalue() + project.out.getvalue() + json.dumps(records) + "".join(capsys.readouterr())
    assert "API_KEY" in printed
    assert SECRET not in printed + everything_logged()
    logging.getLogger("botocore.endpoint").debug("logged again")
    assert "logged again" in everything_logged(), "logging is as it was before"
    assert SECRET not in repr(values.SecretValue(SECRET.encode()))


def test_an_error_that_repeats_the_value_is_told_without_its_words(project: Project) -> None:
    refusal = error("ValidationException")
    refusal.response["Error"]["Message"] = f"Value '{SECRET}' at 'value' failed to satisfy constraint"
    refusal.args = (refusal.response["Error"]["Message"],)
    project.ssm.fail("PutParameter", refusal)
    with pytest.raises(StepladderError) as caught:
        project.set("API_KEY", SECRET)
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    assert caught.value.__suppress_context__
    assert "ValidationException" in caught.value.message


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b"one line\n", b"one line"),
        (b"one line\r\n", b"one line"),
        (b"one line", b"one line"),
        (b" spaces stay \n", b" spaces stay "),
        (b"two\nlines\n", b"two\nlines\n"),
        (b"two\nlines", b"two\nlines"),
        (b"one line\n\n", b"one line\n\n"),
        (b"dos\r\nlines\r\n", b"dos\r\nlines\r\n"),
        (b"\xff\x00\n", b"\xff\x00\n"),
        ("päss\n".encode(), "päss".encode()),
    ],
)
def test_only_the_line_end_behind_a_single_line_is_taken_off(data: bytes, kept: bytes) -> None:
    assert values.without_line_end(data) == kept


def test_bytes_that_are_no_text_go_to_secrets_manager_alone(project: Project) -> None:
    project.set("FILE_KEY", b"\xff\x00\n")
    (version,) = project.manager.secrets[NAME]["versions"]
    assert version["SecretBinary"] == b"\xff\x00\n"
    with pytest.raises(BadInputError, match="no text, and Parameter Store keeps text") as caught:
        project.set("API_KEY", b"\xff\x00")
    assert "API_KEY: secretsmanager under" in caught.value.hint
    assert "PutParameter" not in project.ssm.calls


@pytest.mark.parametrize("data", ["", "\n", "\r\n", "  \n\t"])
def test_nothing_is_no_value(data: str, project: Project) -> None:
    with pytest.raises(BadInputError, match="there is no value for API_KEY: it is empty") as caught:
        project.set("API_KEY", data)
    assert caught.value.exit_code == ExitCode.BAD_INPUT
    assert not project.ssm.values


def test_a_parameter_over_4_kb_is_advanced_and_stays_so(project: Project) -> None:
    project.set("API_KEY", "x" * 4096)
    assert "charges" not in project.printed.getvalue()
    project.set("API_KEY", "x" * 4097)
    project.set("API_KEY", "small again")
    assert [each["Tier"] for each in project.ssm.values[PATH]] == ["Standard", "Advanced", "Advanced"]
    assert project.printed.getvalue().count("which AWS charges for") == 1


@pytest.mark.parametrize(("name", "largest"), [("API_KEY", 8192), ("FILE_KEY", 65536)])
def test_a_value_beyond_the_stores_limit_is_refused_before_the_call(name: str, largest: int, project: Project) -> None:
    project.set(name, "x" * largest)
    writes = len(project.ssm.calls) + len(project.manager.calls)
    for size in (largest + 1, largest * 20):
        with pytest.raises(BadInputError, match=str(largest)):
            project.set(name, "x" * size)
    calls = [*project.ssm.calls, *project.manager.calls][writes:]
    assert not {"PutParameter", "CreateSecret", "PutSecretValue"} & set(calls)


@pytest.mark.parametrize("text", ["a {{ssm:/other}} b", "{{}}", "{{ ssm:x }}"])
def test_what_parameter_store_would_expand_is_refused(text: str, project: Project) -> None:
    with pytest.raises(BadInputError, match="which Parameter Store refuses"):
        project.set("API_KEY", text)
    project.set("FILE_KEY", text)


def test_a_key_of_ones_own_encrypts_in_both_stores(project: Project) -> None:
    project.set("FILE_KEY", "before")
    project.function["secrets_key"] = KEY
    project.set("API_KEY", SECRET)
    project.set("FILE_KEY", SECRET)
    assert project.ssm.values[PATH][0]["KeyId"] == KEY
    assert project.manager.calls[-2:] == ["UpdateSecret", "PutSecretValue"], "value and key in one call"
    assert project.manager.secrets[NAME]["versions"][-1]["KmsKeyId"] == KEY


def test_a_value_with_another_key_is_told_since_the_function_cannot_decrypt_it(project: Project) -> None:
    project.function["secrets_key"] = KEY
    project.set("API_KEY", SECRET)
    del project.function["secrets_key"]
    project.set("API_KEY", "another")
    assert project.ssm.values[PATH][1]["KeyId"] == KEY, "its key stays"
    commands.show(project.rung())
    assert project.printed.getvalue().count("the function can't decrypt it") == 2


def test_a_command_that_was_overtaken_while_both_made_it_replaces_the_value(project: Project) -> None:
    project.ssm.before("PutParameter", lambda: project.ssm.values.update({PATH: [{"Value": "theirs"}]}))
    project.set("API_KEY", SECRET)
    assert [each["Value"] for each in project.ssm.values[PATH]] == ["theirs", SECRET]
    other = {"versions": [{"SecretString": "theirs", "ClientRequestToken": "t"}], "told": {}}
    project.manager.before("CreateSecret", lambda: project.manager.secrets.update({NAME: other}))
    project.set("FILE_KEY", SECRET)
    assert [each["SecretString"] for each in project.manager.secrets[NAME]["versions"]] == ["theirs", SECRET]


def test_what_another_project_makes_meanwhile_is_left_alone(project: Project) -> None:
    def theirs() -> None:
        project.ssm.values[PATH] = [{"Value": "theirs"}]
        project.ssm.tags[PATH] = {"project": "other"}

    project.ssm.before("PutParameter", theirs)
    with pytest.raises(RefusedError, match="belongs to the project other"):
        project.set("API_KEY", SECRET)
    assert project.ssm.values[PATH] == [{"Value": "theirs"}]
    other = {"versions": [{"SecretString": "theirs", "ClientRequestToken": "t"}]}
    other["told"] = {"Tags": [{"Key": "project", "Value": "other"}]}
    project.manager.before("CreateSecret", lambda: project.manager.secrets.update({NAME: other}))
    with pytest.raises(RefusedError, match="belongs to the project other"):
        project.set("FILE_KEY", SECRET)
    assert [each["SecretString"] for each in project.manager.secrets[NAME]["versions"]] == ["theirs"]


@pytest.mark.parametrize("code", ["TooManyUpdates", "ThrottlingException"])
def test_a_store_that_is_busy_is_asked_again(code: str, project: Project) -> None:
    project.ssm.fail("PutParameter", error(code), times=2)
    project.set("API_KEY", SECRET)
    assert project.ssm.calls.count("PutParameter") == 3


def test_an_equal_value_is_a_new_version_since_the_old_one_is_never_read(project: Project) -> None:
    assert [project.set("API_KEY", SECRET)["version"], project.set("API_KEY", SECRET)["version"]] == ["1", "2"]
    reads = {"GetParameter", "GetParameters", "GetParameterHistory", "GetSecretValue"}
    assert not reads & {*project.ssm.calls, *project.manager.calls}


def test_an_unknown_name_is_met_with_the_known_ones(project: Project) -> None:
    with pytest.raises(BadInputError, match="staging has no secret 'API_KEI' in its settings; its secrets:") as caught:
        project.set("API_KEI", SECRET)
    assert "did you mean `API_KEY`" in caught.value.hint or "API_KEY" in caught.value.hint
    project.function = {}
    with pytest.raises(BadInputError, match="it has none") as caught:
        project.set("API_KEY", SECRET)
    assert "as API_KEY: ssm" in caught.value.hint


def test_a_secret_without_a_value_is_not_rotated(project: Project) -> None:
    with pytest.raises(RefusedError, match="has no value yet, so there is nothing to rotate") as caught:
        project.set("API_KEY", SECRET, rotate=True)
    assert "`inv secrets.set API_KEY --env staging`" in caught.value.hint


@pytest.mark.parametrize("name", ["API_KEY", "FILE_KEY"])
def test_another_projects_secret_is_left_alone(name: str, project: Project) -> None:
    project.set(name, SECRET)
    project.ssm.tags[PATH] = {"project": "other"}
    if NAME in project.manager.secrets:
        project.manager.secrets[NAME]["told"] = {"Tags": [{"Key": "project", "Value": "other"}]}
    with pytest.raises(RefusedError, match="belongs to the project other"):
        project.set(name, "another")


def test_a_plain_parameter_is_not_taken_for_a_secret(project: Project) -> None:
    project.ssm.values[PATH] = [{"Type": "String", "Value": "plain"}]
    commands.show(project.rung())
    assert "not encrypted" in project.out.getvalue()
    with pytest.raises(RefusedError, match="is a plain parameter") as caught:
        project.set("API_KEY", SECRET)
    assert f"`aws ssm delete-parameter --name {PATH}`" in caught.value.hint


def test_a_secret_that_is_to_be_deleted_has_no_value_and_takes_none(project: Project) -> None:
    project.set("FILE_KEY", SECRET)
    project.manager.secrets[NAME]["told"]["DeletedDate"] = CHANGED
    assert [secret.name for secret in secret_check.missing(project.rung())] == ["API_KEY", "FILE_KEY"]
    with pytest.raises(RefusedError, match="to be deleted") as caught:
        project.set("FILE_KEY", "another")
    assert "restore-secret" in caught.value.hint


def test_another_account_gets_no_value(project: Project) -> None:
    project.sts.account = "999999999999"
    with pytest.raises(RefusedError, match="reach account 999999999999"):
        project.set("API_KEY", SECRET)
    assert not project.ssm.calls


def test_a_secret_that_others_make_is_not_set_and_not_asked_for(project: Project) -> None:
    arn = f"arn:aws:secretsmanager:{REGION}:999999999999:secret:shared-AbC123"
    made = "secretsmanager:${aws_secretsmanager_secret.db.arn}"
    project.function = {"secrets": {"SHARED": f"secretsmanager:{arn}", "OF_DATABASE": made}}
    for name in project.function["secrets"]:
        with pytest.raises(RefusedError, match="isn't set by stepladder"):
            project.set(name, SECRET)
    secret_check.check([project.rung()])
    project.as_json = True
    assert {each["name"]: each["set"] for each in commands.show(project.rung())} == {
        "SHARED": None,
        "OF_DATABASE": None,
    }
    assert not project.manager.calls


def test_the_list_says_what_is_set_and_nothing_of_values(project: Project) -> None:
    project.set("API_KEY", SECRET)
    project.as_json = True
    listed = commands.show(project.rung())
    assert json.loads(project.out.getvalue()) == listed
    assert listed == [
        {
            "name": "API_KEY",
            "reference": "ssm:/hello/staging/API_KEY",
            "store": "ssm",
            "state": "set",
            "set": True,
            "version": "1",
            "changed": "2026-11-26T00:00:00Z",
        },
        {
            "name": "FILE_KEY",
            "reference": f"secretsmanager:{NAME}",
            "store": "secretsmanager",
            "state": "not set",
            "set": False,
            "version": "",
            "changed": "",
        },
    ]


def test_a_hundred_secrets_are_looked_up_in_filters_of_fifty_and_in_all_their_pages(project: Project) -> None:
    project.function = {"secrets": {f"KEY_{number}": f"ssm:/k/{number:03}" for number in range(60)}}
    project.ssm.values = {f"/k/{number:03}": [{"Type": "SecureString"}] for number in range(60)}
    assert secret_check.missing(project.rung()) == ()


def test_all_that_is_missing_is_named_for_each_environment(project: Project) -> None:
    project.set("FILE_KEY", SECRET)
    with pytest.raises(RefusedError) as caught:
        secret_check.check([project.rung(), project.rung("production")])
    assert "staging has no value for API_KEY (ssm:/hello/staging/API_KEY)" in caught.value.message
    assert "production has no value for API_KEY" in caught.value.message
    assert "`inv secrets.set FILE_KEY --env production`" in caught.value.hint
    assert caught.value.kind == "secret-missing"


def test_the_wrong_account_is_told_before_a_missing_value(project: Project) -> None:
    project.sts.account = "999999999999"
    with pytest.raises(RefusedError, match="reach account 999999999999"):
        secret_check.check([project.rung()])


def test_a_project_without_secrets_makes_no_call(project: Project) -> None:
    project.function = {}
    secret_check.check([project.rung()])
    assert not [*project.ssm.calls, *project.manager.calls]


def test_a_folder_is_no_value(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(fileno=lambda: folder, isatty=lambda: False, closed=False))
    with pytest.raises(BadInputError, match=r"standard input can't be read .*directory"):
        commands.set_value(project.rung(), "API_KEY")
    os.close(folder)


def test_a_prompt_takes_one_hidden_line_where_somebody_can_type_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(fileno=lambda: 0, isatty=lambda: True, closed=False))
    monkeypatch.setattr(Console, "can_ask", False)
    with pytest.raises(BadInputError, match="nobody can be asked for it"):
        commands.set_value(project.rung(), "API_KEY")
    monkeypatch.setattr(Console, "can_ask", True)
    for typed, why in {"": "it is empty", "-----BEGIN RSA": "a key has several lines"}.items():
        monkeypatch.setattr("getpass.getpass", lambda *_, typed=typed, **__: typed)
        with pytest.raises(BadInputError, match=why):
            commands.set_value(project.rung(), "API_KEY")

    def visible(*_: Any, **__: Any) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=1)
        return SECRET

    monkeypatch.setattr("getpass.getpass", visible)
    with pytest.raises(BadInputError, match="would show what is typed"):
        commands.set_value(project.rung(), "API_KEY")
    assert not project.ssm.values


def test_standard_input_that_is_closed_or_silent_ends_the_command(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(BadInputError, match="standard input is closed"):
        commands.set_value(project.rung(), "API_KEY")
    source, sink = os.pipe()
    monkeypatch.setattr(values, "SECONDS", 0.01)
    monkeypatch.setattr(terminal, "_PATIENCE", 0.01)
    with os.fdopen(source) as stdin, os.fdopen(sink, "w"):
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(BadInputError, match="standard input was silent") as caught:
            commands.set_value(project.rung(), "API_KEY")
    assert "waiting up to 0 s for the value of API_KEY" in project.printed.getvalue()
    assert "`inv secrets.set API_KEY --env staging`" in caught.value.hint
    assert not project.ssm.values

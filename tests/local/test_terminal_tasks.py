"""What a person at a terminal is shown and asked, in whole processes against the local cloud."""

from __future__ import annotations

import json
import signal
import sys

import pytest
import terminals
from live_project import LiveProject
from terminals import Shown

pytestmark = pytest.mark.cloud


@pytest.fixture
def project(live_project: LiveProject) -> LiveProject:
    return live_project


def on_terminal(
    project: LiveProject, *args: str, width: int = 80, answer: tuple[str, str] = ("", ""), **env: str
) -> Shown:
    argv = [sys.executable, "-m", "invoke", *args]
    ours = {k: v for k, v in project.env.items() if k not in {"NO_COLOR", "FORCE_COLOR"}}  # a CI job's may have them
    return terminals.run(argv, cwd=project.root, env={**ours, "TERM": "xterm", **env}, width=width, answer=answer)


def test_on_a_terminal_a_rollback_asks_whether_the_image_is_bad_and_the_answer_decides(project: LiveProject) -> None:
    project.say("to be rolled back")
    assert project.deploy().code == 0
    digest = project.items("current")[0]["digest"]
    shown = on_terminal(project, "rollback", "--env", "staging", answer=("[y/N]", "n\n"))
    assert shown.code == 0, shown.text
    assert f"is image {digest[7:19]} bad?" in shown.text
    assert "is not marked" in shown.text
    assert project.deploy("--json").json["digest"] == digest, "nothing refuses it"


def test_a_terminal_of_a_ci_job_is_asked_nothing_and_gets_no_control_codes(project: LiveProject) -> None:
    project.say("to be marked")
    deployed = on_terminal(project, "deploy", "--env", "staging", "--allow-dirty", CI="true")
    assert deployed.code == 0, deployed.text
    digest = project.items("current")[0]["digest"]
    shown = on_terminal(project, "rollback", "--env", "staging", CI="true")
    assert shown.code == 0, shown.text
    command = f"inv ledger.unmark --digest {digest[7:19]}"
    assert command in shown.text
    assert project.deploy("--allow-dirty").code == 4
    status, ledger = (on_terminal(project, *args, CI="true") for args in (("status",), ("ledger", "--env", "staging")))
    for text in (deployed.text, shown.text, status.text, ledger.text):
        assert not {"\x1b", "\r"} & set(text)
    assert max(map(len, ledger.text.splitlines())) <= 80
    unmarked = project.inv(*command.split()[1:], "--why", "it is good", "--json")
    assert (unmarked.code, unmarked.json["digest"], len(unmarked.json["unmarked"])) == (0, digest, 1)
    assert project.deploy("--json").json["digest"] == digest


@pytest.mark.parametrize(
    ("args", "code", "message", "flag"),
    [
        (
            ("doctor", "--fix", "--env", "staging"),
            4,
            "nobody can be asked here",
            "`inv doctor --env staging --fix --yes`",
        ),
        (("secrets.set", "API_KEY", "--env", "staging"), 2, "no value for API_KEY", "`inv secrets.set API_KEY"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_where_nobody_can_answer_a_prompt_names_the_flag_that_does(
    project: LiveProject, args: tuple[str, ...], code: int, message: str, flag: str
) -> None:
    with project.settings_with(function={"secrets": {"API_KEY": "ssm"}}):
        alone, of_a_job = project.inv(*args), on_terminal(project, *args, width=200, CI="true")
    for ended, text in ((alone.code, alone.err), (of_a_job.code, of_a_job.text)):
        assert (ended, message in text, flag in text) == (code, True, True), text


def test_a_person_who_says_yes_gets_what_is_safe_fixed(project: LiveProject) -> None:
    shown = on_terminal(project, "doctor", "--env", "staging", "--fix", answer=("[y/N]", "y\n"), width=200)
    table = f"{project.name}-releases"
    assert f"can be fixed: protect {table} from deletion" in shown.text
    assert f"fixed: protect {table} from deletion" in shown.text
    described = project.cloud.client("dynamodb").describe_table(TableName=table)["Table"]
    assert described["DeletionProtectionEnabled"] is True
    assert shown.code == 1, "what isn't safe is still wrong: there are no alarms"


def test_a_person_s_terminal_has_colours_and_a_spinner_that_leaves_nothing(project: LiveProject) -> None:
    shown = on_terminal(project, "status", width=120)
    assert shown.code == 0
    assert "\x1b[1mrung" in shown.text, repr(shown.text)
    assert "\x1b" not in on_terminal(project, "status", NO_COLOR="1").text
    both = project.inv("rollback", "--env", "staging", "--bad", "--keep-image")
    assert (both.code, "contradict" in both.err) == (2, True)


LOGGING = """\
import logging


def handler(event, context):
    if "n" not in event:
        return {"statusCode": 200}
    logging.getLogger().warning("order %s", event["n"])
    return {"statusCode": 200 / event["n"]}
"""


def _invoke(project: LiveProject, number: int) -> None:
    payload = json.dumps({"n": number}).encode()
    project.lambda_.invoke(FunctionName=project.function, Qualifier="live", Payload=payload)


def test_logs_are_followed_without_doubling_and_end_with_130(project: LiveProject) -> None:
    project.handler(LOGGING)
    assert project.deploy().code == 0
    _invoke(project, 0)
    child = project.start("logs", "--env", "staging", "--follow", "--json", "--since", "30s")
    assert child.stdout is not None
    lines = [json.loads(child.stdout.readline())]
    while lines[-1]["level"] != "ERROR":
        lines.append(json.loads(child.stdout.readline()))
    _invoke(project, 7)
    while lines[-1]["message"] != "order 7":
        lines.append(json.loads(child.stdout.readline()))
    child.send_signal(signal.SIGINT)
    rest, printed = child.communicate(timeout=60)
    assert (child.returncode, printed) == (130, "")
    messages = [line["message"] for line in [*lines, *map(json.loads, rest.splitlines())]]
    assert (messages.count("order 0"), messages.count("order 7")) == (1, 1)
    error = lines[[line["level"] for line in lines].index("ERROR")]
    assert (error["message"], error["version"]) == ("ZeroDivisionError: division by zero", project.version)

    shown = on_terminal(project, "logs", "--env", "staging", "--errors", width=200)
    assert (shown.code, "\x1b[31mERROR" in shown.text) == (0, True)
    assert "ZeroDivisionError: division by zero" in shown.text
    assert 'return {"statusCode": 200 / event["n"]}' in shown.text
    assert "order 7" not in shown.text

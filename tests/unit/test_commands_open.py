"""`inv open`: pages of the console in the right partition, region and account."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import ACCOUNT, REGION, DeployHarness, digest
from fakes.errors import Scripted, error

from stepladder.commands import open as pages
from stepladder.core import console_links, names
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError
from stepladder.releases.rung import Rung

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:hello-promotion"
HOME = f"https://{REGION}.console.aws.amazon.com"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    for name in ("CI", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    harness = DeployHarness(tmp_path)
    harness.deploy()
    harness.aws.clients["stepfunctions"] = NoStateMachine()
    return harness


class NoStateMachine(Scripted):
    """Step Functions before the first promotion."""

    def list_executions(self, **_: Any) -> dict[str, Any]:
        raise error("StateMachineDoesNotExist")


def show(harness: DeployHarness, what: str = "", *, as_json: bool = False, **options: Any) -> str:
    out = io.StringIO()
    own = harness.rung()
    console = Console(err=harness.err, out=out, live=False, as_json=as_json)
    pages.show(Rung(own.settings, "staging", own.aws, console, "inv open", own.clock), what, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("what", "page"),
    [
        ("function", f"lambda/home?region={REGION}#/functions/hello-staging"),
        ("alias", f"lambda/home?region={REGION}#/functions/hello-staging/aliases/live"),
        (
            "logs",
            f"cloudwatch/home?region={REGION}#logsV2:log-groups/log-group/$252Faws$252Flambda$252Fhello-staging",
        ),
        ("alarms", f"cloudwatch/home?region={REGION}#alarmsV2:?search=hello-staging-"),
        (
            "image",
            f"ecr/repositories/private/{ACCOUNT}/hello/_/image/{digest('one')}/details?region={REGION}",
        ),
        ("ledger", f"dynamodbv2/home?region={REGION}#item-explorer?table=hello-releases"),
        (
            "state-machine",
            f"states/home?region={REGION}#/statemachines/view/{MACHINE}",
        ),
    ],
)
def test_a_page_is_printed_whole(bench: DeployHarness, what: str, page: str) -> None:
    assert show(bench, what) == f"{HOME}/{page}\n"


def test_a_deployment_is_the_one_under_way_or_the_newest(bench: DeployHarness) -> None:
    with pytest.raises(RefusedError, match="no deployment of CodeDeploy"):
        show(bench, "deployment")
    entry = bench.rung().ledger.history("staging")[0]
    bench.rung().ledger.write(replace(entry, release_id="29991231T000000Z-a", deployment_id="d-OLD"))
    assert "deployments/d-OLD?" in show(bench, "deployment")
    bench.codedeploy.active = "d-NOW"
    assert show(bench, "deployment") == f"{HOME}/codesuite/codedeploy/deployments/d-NOW?region={REGION}\n"


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("eusc-de-east-1", "eusc-de-east-1.console.amazonaws-eusc.eu"),
    ],
)
def test_each_partition_has_a_console_of_its_own(region: str, host: str) -> None:
    of_region = names.Names("hello", "staging", ACCOUNT, region)
    assert console_links.function(of_region).startswith(f"https://{host}/lambda/home?region={region}#")
    assert console_links.has_console(of_region)


def test_a_partition_whose_console_has_no_public_address_is_said_to(
    bench: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_links, "_HOSTS", {})
    with pytest.raises(NotReadyError, match="not public"):
        show(bench, "function")


def test_the_list_has_what_there_is_and_says_what_there_is_not(bench: DeployHarness) -> None:
    listed = show(bench)
    assert f"function       {HOME}/lambda" in listed
    assert "deployment" not in listed
    assert "no deployment: staging had no deployment" in bench.printed
    assert f"is in the account {ACCOUNT}" in bench.printed
    records = json.loads(show(bench, as_json=True))
    assert {"function", "ledger", "image"} <= {each["what"] for each in records}


def test_a_local_cloud_has_no_console_and_the_url_is_said_instead(
    bench: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    for what in ("", "function"):
        with pytest.raises(NotReadyError, match=r"no console; the function answers at https://abc") as caught:
            show(bench, what)
        assert "`inv logs --env staging`" in caught.value.hint


def test_an_unknown_page_is_bad_input(bench: DeployHarness) -> None:
    with pytest.raises(BadInputError, match="no page 'functoin'") as caught:
        show(bench, "functoin")
    assert "did you mean `function`?" in caught.value.hint


def test_a_browser_opens_it_and_json_opens_none(bench: DeployHarness) -> None:
    opened: list[str] = []
    show(bench, "function", open_page=opened.append)
    assert len(opened) == 1
    record = json.loads(show(bench, "function", as_json=True, open_page=opened.append))
    assert (record["account"], len(opened)) == (ACCOUNT, 1)


@pytest.mark.parametrize(
    ("variables", "terminal", "opens"),
    [
        ({"DISPLAY": ":0"}, True, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True, True),
        ({}, True, False),
        ({"DISPLAY": ":0"}, False, False),
        ({"DISPLAY": ":0", "CI": "true"}, True, False),
    ],
)
def test_a_browser_needs_a_terminal_and_a_display(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], terminal: bool, opens: bool
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.platform", "linux")
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("sys.stdout", stream)
    assert pages.can_open() is opens

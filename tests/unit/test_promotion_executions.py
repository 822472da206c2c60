"""What every promotion command works with."""

from types import SimpleNamespace

import pytest

from stepladder.core.names import Names
from stepladder.promotion.executions import StateMachine

HOSTS = {
    "eu-west-1": "eu-west-1.console.aws.amazon.com",
    "us-gov-west-1": "us-gov-west-1.console.amazonaws-us-gov.com",
    "cn-north-1": "cn-north-1.console.amazonaws.cn",
}


@pytest.mark.parametrize(("region", "host"), HOSTS.items())
def test_an_execution_s_page_is_in_the_console_of_its_partition(region, host, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    machine = SimpleNamespace(rung=SimpleNamespace(names=Names("orders", "staging", "123456789012", region)))
    assert StateMachine.link(machine, "arn:x").startswith(f"https://{host}/states/home?region={region}#")


def test_a_local_cloud_has_no_page(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4600")
    assert StateMachine.link(None, "arn:x") == ""

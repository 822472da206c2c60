"""A cloud that others reach, `inv local.run --host 0.0.0.0`: whoever names it by a name gets that name back."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from asking import until
from functions import Functions
from running_cloud import RunningCloud

from localcloud import daemon
from localcloud.launchers import runtime_client
from stepladder.core import endpoints
from stepladder.core.aws import Aws
from stepladder.core.names import Names
from stepladder.images.registry import ecr
from stepladder.terraform import cli


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningCloud]:
    """A cloud on all of this machine's addresses, called by the machine's own name."""
    name, ready = socket.gethostname().lower(), tmp_path / "ready.json"
    argv = [sys.executable, "-m", "localcloud", "--host", "0.0.0.0", "--port", "0", "--ready-file", str(ready)]
    with subprocess.Popen([*argv, "--allow-host", name], stdout=subprocess.DEVNULL) as child:
        try:
            until(ready.exists, bool)
            port = urlsplit(json.loads(ready.read_text())["url"]).port
            info = daemon.CloudInfo(f"http://{name}:{port}", child.pid, "", "", "")
            for key, value in info.env().items():
                monkeypatch.setenv(key, value)
            yield RunningCloud(info)
        finally:
            child.terminate()


def test_every_address_that_the_cloud_tells_is_of_the_name_that_it_was_called_by(
    named: RunningCloud, tmp_path: Path
) -> None:
    functions = Functions(named, runtime_client.client(Path(sys.executable), f"{sys.version_info[0]}", tmp_path))
    name = functions.create()
    url = functions.client.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    code = functions.client.get_function(FunctionName=name)["Code"]["Location"]
    registry = named.client("ecr").get_authorization_token()["authorizationData"][0]["proxyEndpoint"]
    assert {urlsplit(told)[:2] for told in (url, code, registry)} == {urlsplit(named.url)[:2]}
    assert urllib3.request("GET", code, retries=False).data == functions.zip()


def test_the_registry_and_terraform_reach_a_cloud_by_its_name(named: RunningCloud) -> None:
    assert endpoints.is_local_cloud(named.url)
    names = Names(project="shop", environment="staging", account=named.account, region=named.region)
    repository = ecr.connect(Aws(named.region), names)
    assert f"http://{repository.registry.host}" == named.url
    user, password = repository.login()
    key = {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    assert urllib3.request("GET", f"{repository.registry.origin}/v2/", headers=key, retries=False).status == 200
    given: Any = cli.environment(Path("data"), {})["AWS_ENDPOINT_URL"]
    assert urllib3.request("GET", f"{given}/_stepladder/health", retries=False).status == 200
    socket.inet_aton(urlsplit(given).hostname)  # an address: to a name the AWS SDK for Go adds the bucket

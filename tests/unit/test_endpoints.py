"""Where calls go, by the SDK's own standards; and what is a local cloud."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from localcloud import endpoint_variables
from stepladder.core import endpoints
from stepladder.core.retry import RegistryError
from stepladder.images.registry import transport
from stepladder.terraform import cli

CONFIG = """
[default]
region = eu-west-1
[profile global]
endpoint_url = http://127.0.0.1:4601
[profile services]
services = mine
endpoint_url = http://127.0.0.1:4602
[profile deaf]
endpoint_url = http://127.0.0.1:4603
ignore_configured_endpoint_urls = true
[services mine]
lambda =
  endpoint_url = http://127.0.0.1:4604
"""
VARIABLE, IGNORE = "http://127.0.0.1:4605", {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(CONFIG)
    (tmp_path / "credentials").write_text("[written]\nendpoint_url = http://127.0.0.1:4606\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, ""),
        ({"AWS_PROFILE": "global"}, "http://127.0.0.1:4601"),
        ({"AWS_PROFILE": "services"}, "http://127.0.0.1:4604"),
        ({"AWS_PROFILE": "deaf"}, ""),
        ({"AWS_PROFILE": "written"}, "http://127.0.0.1:4606"),
        ({"AWS_PROFILE": "services", "AWS_ENDPOINT_URL": VARIABLE}, VARIABLE),
        ({"AWS_ENDPOINT_URL": "http://a.example", "AWS_ENDPOINT_URL_LAMBDA": VARIABLE}, VARIABLE),
        ({"AWS_PROFILE": "global", **IGNORE}, ""),
        ({"AWS_ENDPOINT_URL": VARIABLE, **IGNORE}, ""),
    ],
    ids=str,
)
def test_the_endpoint_is_the_one_that_the_sdk_takes(
    given: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert endpoints.endpoint() == wanted
    assert endpoints.is_real() is not bool(wanted)
    client = botocore.session.Session().create_client(
        "lambda", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    assert client.meta.endpoint_url == (wanted or "https://lambda.eu-west-1.amazonaws.com")


def test_a_profile_that_is_missing_names_no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert endpoints.endpoint() == ""


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server under a name that isn't loopback's: `cloud` says that it is one, or not."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_args: Any) -> None:
            pass

    asked: list[str] = []
    said: dict[str, Any] = {"ready": True}
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    real = endpoints.socket.getaddrinfo
    monkeypatch.setattr("socket.getaddrinfo", lambda _host, port, *args, **more: real("127.0.0.1", port, *args, **more))
    endpoints._answers_as_local_cloud.cache_clear()
    yield f"http://cloud:{server.server_port}", said, asked
    server.shutdown()
    server.server_close()


def test_a_name_that_says_it_is_a_local_cloud_is_one_and_is_asked_once(
    elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _, asked = elsewhere
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    assert [endpoints.is_local_cloud(url) for _ in range(3)] == [True] * 3
    assert asked == ["/_stepladder/health"]
    assert transport.checked(f"{url}/v2/") == f"{url}/v2/"
    with pytest.raises(RegistryError, match="over HTTPS"):
        transport.checked("http://other:4600/v2/")  # says so too, but the endpoint doesn't name it
    numbered = url.replace("cloud", "127.0.0.1")
    assert cli.environment(Path("data"), {})["AWS_ENDPOINT_URL"] == numbered


def test_a_name_that_says_nothing_of_the_kind_is_no_local_cloud(
    elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, said, _ = elsewhere
    said.clear()
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    assert not endpoints.is_local_cloud(url)
    assert not endpoints.is_local_cloud(url.replace("http:", "https:"))
    assert "AWS_ENDPOINT_URL" not in cli.environment(Path("data"), {})
    with pytest.raises(RegistryError, match="over HTTPS"):
        transport.checked(f"{url}/v2/")


def test_whatever_endpoint_is_set_is_unset_for_the_local_cloud() -> None:
    found = endpoint_variables.unset(
        {"AWS_ENDPOINT_URL_ATHENA": "x", "AWS_ENDPOINT_URL_LAMBDA": "y", "AWS_ENDPOINT_URL": "z"}
    )
    assert "AWS_ENDPOINT_URL_ATHENA" in found
    assert found.count("AWS_ENDPOINT_URL_LAMBDA") == 1
    assert "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" in found
    assert "AWS_ENDPOINT_URL" not in found


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"AWS_ENDPOINT_URL": VARIABLE}, VARIABLE),
        ({"AWS_ENDPOINT_URL": VARIABLE, "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:4607"}, None),
        ({"AWS_ENDPOINT_URL": VARIABLE, **IGNORE}, None),
        ({}, None),
    ],
)
def test_terraform_gets_the_variable_of_sts_for_the_roles_of_ci_jobs(
    variables: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cli.environment(Path("data"), {}).get("AWS_ENDPOINT_URL_STS") == expected

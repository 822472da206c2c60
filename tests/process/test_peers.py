"""The benchmarks' peers, of which none is installed, and the proxy between them and the local cloud."""

from __future__ import annotations

import difflib
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from localcloud.http.server import Server

sys.path += [str(Path(__file__).resolve().parents[2] / "benchmarks")]

from peers import PEERS, NotRunnableError
from peers.installing import Tool, reason
from peers.proxy import Proxy

ECR = "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories"
URI = b'{"repositoryUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/app"}'


@pytest.fixture
def serve():
    """Serve WSGI apps; return their addresses."""
    servers = []

    def start(app):
        servers.append(Server("127.0.0.1", 0))
        threading.Thread(target=servers[-1].serve, args=(app,), daemon=True).start()
        return f"127.0.0.1:{servers[-1].port}"

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def cloud(serve):
    """Serve a cloud that answers with `answer` and keeps what it got."""
    kept = {"answer": URI}

    def app(environ, start):
        kept.update(host=environ["HTTP_HOST"], body=environ["wsgi.input"].read(), url=environ["RAW_URI"])
        start("200 OK", [("Content-Type", "application/json")])
        return [kept["answer"]]

    kept["address"] = serve(app)
    return kept


@pytest.fixture
def proxy(serve, cloud):
    return serve(Proxy(f"http://{cloud['address']}"))


def _post(address, **headers):
    request = urllib.request.Request(
        f"http://{address}/a%2Fb?c=d", b"text", {k.replace("_", "-"): v for k, v in headers.items()}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def test_a_registry_of_aws_becomes_the_clouds_address_in_an_answer_of_ecr(cloud, proxy):
    assert _post(proxy, X_Amz_Target=ECR) == f'{{"repositoryUri": "{cloud["address"]}/app"}}'.encode()


def test_the_engine_pushes_past_the_proxy(cloud, proxy):
    cloud["answer"] = f'{{"proxyEndpoint": "http://{proxy}"}}'.encode()
    assert _post(proxy, X_Amz_Target=ECR) == f'{{"proxyEndpoint": "http://{cloud["address"]}"}}'.encode()


def test_another_service_s_answer_stays(proxy):
    assert _post(proxy, X_Amz_Target="DynamoDB_20120810.GetItem") == URI


def test_a_request_stays_as_it_was_signed(cloud, proxy):
    _post(proxy)
    assert (cloud["host"], cloud["body"], cloud["url"]) == (proxy, b"text", "/a%2Fb?c=d")


def test_each_peer_has_a_name_and_a_function_of_its_own():
    peers = [kind() for kind in PEERS]
    assert len({peer.slug for peer in peers}) == len({peer.function for peer in peers}) == len(peers)
    assert all(len(peer.function) <= 64 for peer in peers)


@pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.name)
def test_a_change_is_one_line(kind, tmp_path, monkeypatch):
    source = tmp_path / "app.py"
    before = 'import os\n\nROUND = 9\n\n\ndef handler(event, context):\n    return f"round {ROUND}"\n'
    source.write_text(before)
    monkeypatch.setattr(kind, "source", source)
    kind().change()
    changed = [line for line in difflib.ndiff(before.splitlines(), source.read_text().splitlines()) if line[0] in "+-"]
    assert changed == ["- ROUND = 9", "+ ROUND = 10"]


@pytest.mark.parametrize(("registry", "sign"), [("pip", "=="), ("npm", "@")])
def test_a_version_is_installed_once_and_a_newer_one_beside_it(registry, sign, tmp_path, monkeypatch):
    installed = []
    monkeypatch.setattr(
        f"peers.installing._install_by_{registry}", lambda _folder, packages: installed.append(packages)
    )
    newest = iter(["1.0", "1.0", "1.1"])
    monkeypatch.setattr(Tool, "newest", lambda _tool: next(newest))
    tool = Tool("shovel", ("shovel", "bucket"), registry)
    folders = [tool.install(tmp_path).folder.name for _ in range(3)]
    assert folders == ["shovel-1.0", "shovel-1.0", "shovel-1.1"]
    assert installed == [[f"shovel{sign}1.0", "bucket"], [f"shovel{sign}1.1", "bucket"]]


def test_the_newest_of_a_wanted_line_is_taken_by_its_number(monkeypatch):
    monkeypatch.setattr("peers.installing._run", lambda _argv: '["3.40.0", "3.7.4", "3.39.0"]')
    assert Tool("serverless", ("serverless",), "npm", "3").newest() == "3.40.0"


def test_a_registry_that_has_no_version_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(Tool, "newest", lambda _tool: "")
    with pytest.raises(NotRunnableError, match="pip answers with no version of shovel"):
        Tool("shovel", ("shovel",), "pip").install(tmp_path)


def test_an_installation_that_broke_off_is_begun_again(tmp_path, monkeypatch):
    monkeypatch.setattr(Tool, "newest", lambda _tool: "1.0")

    def broken(folder, _packages):
        (folder / "half").touch()
        raise NotRunnableError("npm ended with 1")

    monkeypatch.setattr("peers.installing._install_by_npm", broken)
    tool = Tool("shovel", ("shovel",), "npm")
    with pytest.raises(NotRunnableError):
        tool.install(tmp_path)
    monkeypatch.setattr("peers.installing._install_by_npm", lambda _folder, _packages: None)
    assert not (tool.install(tmp_path).folder / "half").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\nerror: no engine\nhelp: `x`\n", "error: no engine"),
        ("Error: late\n\nError: Failed to create\n", "Error: Failed to create"),
        ("just this\n", "just this"),
        ("", "RuntimeError"),
    ],
)
def test_the_reason_of_a_row_is_the_line_that_names_the_error(text, expected):
    assert reason(RuntimeError(text)) == expected

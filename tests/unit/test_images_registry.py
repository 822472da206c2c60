"""The registry client against a registry that fails, over real sockets."""

from __future__ import annotations

import base64
import errno
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.registry import Fault, FaultyRegistry

from stepladder.core import retry
from stepladder.core.errors import RefusedError
from stepladder.core.image_facts import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from stepladder.core.retry import RegistryError
from stepladder.images.model import Blob, LocalImage, canonical, digest_of
from stepladder.images.registry import upload
from stepladder.images.registry.client import RegistryClient
from stepladder.images.registry.push import push

pytestmark = pytest.mark.faults
SMALL = b"a layer of code"


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No waiting; returns the delays that would have been waited."""
    waited: list[float] = []
    monkeypatch.setattr(retry, "sleep", waited.append)
    return waited


@pytest.fixture
def registry(tmp_path: Path, delays: list[float]) -> Iterator[FaultyRegistry]:
    with FaultyRegistry(tmp_path / "registry") as running:
        yield running


def blob(data: bytes = SMALL, media_type: str = OCI_LAYER, **options: Any) -> Blob:
    return Blob(digest_of(data), len(data), media_type, data=data, **options)


def image(*layers: bytes) -> LocalImage:
    blobs = tuple(blob(data) for data in layers or (SMALL,))
    config = blob(b'{"architecture":"amd64"}', OCI_CONFIG)
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config.descriptor(),
            "layers": [layer.descriptor() for layer in blobs],
        }
    )
    return LocalImage(manifest, config, blobs, "base", "x86_64")


def send(registry: FaultyRegistry, sent: LocalImage, tag: str = "v1", **options: Any) -> int:
    heard: list[int] = []
    count = push(registry.client(**options), "demo", tag, sent, heard.append)
    if count:
        assert sum(heard) == sum(b.size for b in sent.blobs) or count < len(sent.blobs)
    return count


def test_a_push_sends_what_is_missing_and_a_second_one_nothing(registry: FaultyRegistry) -> None:
    first = image(b"base", b"code")
    assert send(registry, first) == 3
    assert send(registry, image(b"base", b"new code"), "v2") == 1
    registry.requests.clear()
    assert send(registry, first, "v1") == 0
    assert not registry.count("POST|PATCH|PUT .*blobs")


VERBS = {
    "blob HEAD": "HEAD .*/blobs/",
    "upload POST": "POST .*/uploads/",
    "blob PUT": "PUT .*/uploads/",
    "manifest PUT": "PUT .*/manifests/",
}


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_passing_fault_at_any_verb_is_survived(registry: FaultyRegistry, verb: str, status: int) -> None:
    registry.faults = [Fault(verb, times=3, status=status)]
    send(registry, image())
    assert registry.store.index(registry.key()).tags == {"v1": image().digest}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_cut_connection_at_any_verb_is_survived(registry: FaultyRegistry, verb: str) -> None:
    registry.faults = [Fault(verb, times=2, cut=5)]
    send(registry, image())
    assert registry.store.index(registry.key()).tags == {"v1": image().digest}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_lasting_fault_ends_in_an_error_that_says_how_often_and_what_to_do(
    registry: FaultyRegistry, delays: list[float], verb: str
) -> None:
    registry.faults = [Fault(verb, times=1000, status=503)]
    with pytest.raises(RegistryError, match=r"answered 503.*tried 4 times") as caught:
        send(registry, image(), attempts=4)
    assert caught.value.status == 503
    assert "again" in caught.value.hint
    assert registry.store.index(registry.key()).tags == {}


def test_the_wait_between_attempts_is_jittered_and_grows(registry: FaultyRegistry, delays: list[float]) -> None:
    registry.faults = [Fault("PUT .*/manifests/", times=5, status=500)]
    send(registry, image())
    assert len(delays) == 5
    assert all(0 <= delay <= min(8.0, 0.2 * 2**n) for n, delay in enumerate(delays, 1))
    assert len(set(delays)) == 5


def test_retry_after_is_honoured(registry: FaultyRegistry, delays: list[float]) -> None:
    registry.faults = [Fault("PUT .*/manifests/", status=429, headers=(("Retry-After", "7"),))]
    send(registry, image())
    assert delays
    assert max(delays) >= 7


def test_the_deadline_ends_the_retries(registry: FaultyRegistry) -> None:
    registry.faults = [Fault("HEAD", times=1000, status=429, headers=(("Retry-After", "50"),))]
    with pytest.raises(RegistryError, match="tried once"):
        send(registry, image(), deadline=10.0)


def test_a_token_that_expires_in_mid_push_is_renewed_once(registry: FaultyRegistry) -> None:
    registry.faults = [Fault("PUT .*/uploads/", status=401), Fault("PUT .*/manifests/", status=401)]
    send(registry, image())
    assert registry.logins == 3


def test_credentials_that_do_not_work_end_in_a_clear_error_without_them(registry: FaultyRegistry) -> None:
    registry.faults = [Fault("HEAD", times=1000, status=401)]
    with pytest.raises(RegistryError, match="answered 401") as caught:
        send(registry, image())
    assert "credentials" in caught.value.hint
    password = registry.login()[1]
    assert password[:20] not in repr(caught.value)
    assert registry.count("HEAD") <= 2 * len(image().blobs)


def test_no_request_carries_credentials_in_its_address(registry: FaultyRegistry) -> None:
    send(registry, image())
    assert not registry.count("AWS|Basic|@")


def test_a_large_blob_is_resumed_where_it_broke_off(
    registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(upload, "_MONOLITHIC", 1000)
    data = os.urandom(300_000)
    path = tmp_path / "blob"
    path.write_bytes(data)
    registry.faults = [Fault("PATCH", cut=100_000), Fault("PATCH", cut=50_000), Fault("PUT .*/uploads/", status=500)]
    heard: list[int] = []
    large = Blob(digest_of(data), len(data), OCI_LAYER, path=path)
    assert upload.push_blobs(registry.client(), "demo", [large], heard.append) == 1
    assert registry.count("POST") == 1
    assert registry.count("PATCH") == 3
    assert sum(heard) == len(data)
    assert registry.store.path(large.digest).read_bytes() == data


def test_an_upload_that_the_registry_lost_is_begun_anew(
    registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "_MONOLITHIC", 1000)
    data = os.urandom(50_000)
    registry.faults = [Fault("PATCH", cut=10_000), Fault("GET .*/uploads/", status=404)]
    assert upload.push_blobs(registry.client(), "demo", [blob(data)], lambda _n: None) == 1
    assert registry.count("POST") == 2


def test_a_blob_of_a_neighbouring_repository_is_mounted_where_the_account_allows_it(registry: FaultyRegistry) -> None:
    client = registry.client()
    upload.push_blobs(client, "other", [blob()], lambda _n: None)
    registry.requests.clear()
    upload.push_blobs(client, "demo", [blob(mount_from="other")], lambda _n: pytest.fail("bytes were sent"))
    assert not registry.count("PUT|PATCH")


def test_a_blob_is_sent_where_mounting_is_off(registry: FaultyRegistry) -> None:
    registry.mounting = False
    client = registry.client()
    upload.push_blobs(client, "other", [blob()], lambda _n: None)
    assert upload.push_blobs(client, "demo", [blob(mount_from="other")], lambda _n: None) == 1
    assert registry.count("DELETE .*uploads") == 1


def test_a_registry_that_loses_what_it_took_is_found_out(registry: FaultyRegistry) -> None:
    registry.faults = [Fault("PUT .*/uploads/", status=201), Fault("HEAD", times=0)]
    with pytest.raises(RegistryError, match="doesn't have it"):
        send(registry, image())


def test_a_tag_with_the_same_content_is_success(registry: FaultyRegistry) -> None:
    send(registry, image())
    assert send(registry, image()) == 0


def test_a_tag_with_other_content_is_refused_and_stays(registry: FaultyRegistry) -> None:
    send(registry, image(b"one"))
    with pytest.raises(RefusedError, match=r"demo:v1 exists with other content \(sha256:") as caught:
        send(registry, image(b"two"))
    assert "commit" in caught.value.hint
    assert registry.store.index(registry.key()).tags == {"v1": image(b"one").digest}


def test_two_pushes_of_one_image_at_once_both_succeed(registry: FaultyRegistry) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            send(registry, image(b"x" * 10_000, b"y" * 10_000))
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_download_that_breaks_off_is_resumed_and_verified(registry: FaultyRegistry, tmp_path: Path) -> None:
    data = os.urandom(200_000)
    client = registry.client()
    upload.push_blobs(client, "demo", [blob(data)], lambda _n: None)
    registry.faults = [Fault("GET .*/blobs/", truncate=70_000), Fault("GET .*/blobs/", status=503)]
    heard: list[int] = []
    path = client.download("demo", digest_of(data), tmp_path / "blobs", heard.append)
    assert path.read_bytes() == data
    assert sum(heard) == len(data)
    registry.requests.clear()
    assert client.download("demo", digest_of(data), tmp_path / "blobs") == path
    assert registry.requests == []


def test_a_download_of_the_wrong_bytes_never_reaches_the_cache(registry: FaultyRegistry, tmp_path: Path) -> None:
    client = registry.client(attempts=3)
    upload.push_blobs(client, "demo", [blob()], lambda _n: None)
    registry.faults = [Fault("GET .*/blobs/", times=100, swap=b"something else")]
    with pytest.raises(RegistryError, match="arrived damaged"):
        client.download("demo", digest_of(SMALL), tmp_path / "blobs")
    assert list((tmp_path / "blobs").iterdir()) == []


def test_a_manifest_without_its_digest_is_refused(registry: FaultyRegistry) -> None:
    send(registry, image())
    registry.faults = [Fault("GET .*/manifests/", swap=b"{}")]
    with pytest.raises(RegistryError, match="does not have the digest"):
        registry.client().manifest("demo", image().digest)


def test_a_registry_that_is_not_there_is_said_in_words() -> None:
    client = RegistryClient("http://127.0.0.1:1", attempts=1)
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:1 can't be talked to: .*refused") as caught:
        client.has_blob("demo", digest_of(b""))
    assert "object at 0x" not in str(caught.value)
    assert caught.value.status == 0


@pytest.mark.parametrize(
    "failure",
    [socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), OSError(errno.ENETUNREACH, "no route")],
    ids=["no name", "no network"],
)
def test_without_a_network_a_registry_that_never_answered_is_given_up_in_about_a_second(
    monkeypatch: pytest.MonkeyPatch, failure: OSError
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(retry, "sleep", waited.append)
    monkeypatch.setattr(retry.random, "uniform", lambda _low, high: high)

    def unreachable(*_: Any, **__: Any) -> Any:
        raise failure

    if isinstance(failure, socket.gaierror):
        monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    else:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", ("192.0.2.1", 443))])
        monkeypatch.setattr(socket.socket, "connect", unreachable)
    with pytest.raises(RegistryError, match=r"can't be talked to: .* \(tried 3 times"):
        RegistryClient("https://registry.example.org").manifest("demo", "latest")
    assert sum(waited) <= 1.3, "at the longest"


def test_a_network_that_is_lost_on_the_way_is_waited_for_as_long_as_ever(
    registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(registry, image())
    client, waited = registry.client(), []
    assert client.manifest("demo", image().digest)
    monkeypatch.setattr(retry, "sleep", waited.append)

    def no_network(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENETUNREACH, "no route")

    client._pool.clear()
    monkeypatch.setattr(socket.socket, "connect", no_network)
    with pytest.raises(RegistryError, match="tried 7 times"):
        client.manifest("demo", image().digest)


@pytest.mark.parametrize("origin", ["http://registry.example.org", "ftp://127.0.0.1"])
def test_plain_http_is_for_this_machine_only(origin: str) -> None:
    with pytest.raises(RegistryError, match="HTTPS"):
        RegistryClient(origin)


class Challenging:
    """A WSGI app: a public registry with a token service, and blobs that lie elsewhere."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.elsewhere = ""

    def __call__(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        path, sent = environ["PATH_INFO"], environ.get("HTTP_AUTHORIZATION", "")
        self.seen.append((path, sent))
        here = f"http://127.0.0.1:{environ['SERVER_PORT']}"
        if path == "/token":
            body = json.dumps({"token": f"t-{environ['QUERY_STRING'].count('pull')}"}).encode()
            start("200 X", [("Content-Length", str(len(body)))])
            return [body]
        if path == "/elsewhere":
            start("200 X", [("Content-Length", str(len(SMALL)))])
            return [SMALL]
        if sent != "Bearer t-1":
            challenge = f'Bearer realm="{here}/token",service="s",scope="repository:base:pull"'
            start("401 X", [("WWW-Authenticate", challenge), ("Content-Length", "0")])
            return [b""]
        start("307 X", [("Location", self.elsewhere or "/elsewhere"), ("Content-Length", "0")])
        return [b""]


@pytest.fixture
def challenging() -> Iterator[tuple[Challenging, str, str]]:
    from localcloud.http.server import Server

    app, servers = Challenging(), [Server("127.0.0.1", 0), Server("127.0.0.1", 0)]
    for server in servers:
        threading.Thread(target=server.serve, args=(app,), daemon=True).start()
    yield app, f"http://127.0.0.1:{servers[0].port}", f"http://127.0.0.1:{servers[1].port}"
    for server in servers:
        server.stop()


def test_a_bearer_challenge_is_answered_with_a_token(challenging: tuple[Challenging, str, str]) -> None:
    app, origin, _ = challenging
    assert RegistryClient(origin).blob("base", digest_of(SMALL)) == SMALL
    assert [path for path, _ in app.seen][:2] == [f"/v2/base/blobs/{digest_of(SMALL)}", "/token"]


def test_a_redirect_to_another_origin_gets_no_credentials(challenging: tuple[Challenging, str, str]) -> None:
    app, origin, other = challenging
    app.elsewhere = f"{other}/elsewhere"
    assert RegistryClient(origin).blob("base", digest_of(SMALL)) == SMALL
    assert app.seen[-1] == ("/elsewhere", "")


def test_a_redirect_to_plain_http_elsewhere_is_refused(challenging: tuple[Challenging, str, str]) -> None:
    app, origin, _ = challenging
    app.elsewhere = "http://example.org/blob"
    with pytest.raises(RegistryError, match="HTTPS"):
        RegistryClient(origin).blob("base", digest_of(SMALL))


def test_the_password_goes_to_the_token_service_as_basic_authentication(
    challenging: tuple[Challenging, str, str],
) -> None:
    app, origin, _ = challenging
    RegistryClient(origin, login=lambda: ("me", "secret")).blob("base", digest_of(SMALL))
    token_request = next(sent for path, sent in app.seen if path == "/token")
    assert base64.b64decode(token_request.removeprefix("Basic ")) == b"me:secret"


def test_a_failure_stops_the_other_uploads(registry: FaultyRegistry) -> None:
    heard: list[int] = []

    def interrupted(count: int) -> None:
        heard.append(count)
        raise KeyboardInterrupt

    blobs = [blob(bytes([n]) * 100_000) for n in range(20)]
    with pytest.raises(KeyboardInterrupt):
        upload.push_blobs(registry.client(), "demo", blobs, interrupted)
    assert len(registry.store.index(registry.key()).blobs) == 0

"""What the store keeps when the cloud ends."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from localcloud.services.ecr.store import ImageStore, RepositoryKey, StoreError
from localcloud.services.ecr.tokens import Tokens

KEY = RepositoryKey("111111111111", "eu-west-1", "team/app")


def push(store: ImageStore, key: RepositoryKey = KEY, layer: bytes = b"layer", tag: str = "v1") -> str:
    parts = []
    for data in (b'{"architecture":"amd64"}', layer):
        upload = store.begin()
        store.append(upload, io.BytesIO(data))
        parts.append({"digest": store.finish(key, upload, ""), "size": len(data)})
    manifest = json.dumps({"config": parts[0], "layers": parts[1:]}).encode()
    return store.put(key, manifest, "m", tag, immutable=lambda _tag: False)[0]


def test_images_survive_a_restart(tmp_path: Path) -> None:
    digest = push(ImageStore(tmp_path))
    again = ImageStore(tmp_path)
    manifest, config, layers = again.resolve(*vars(KEY).values(), "v1")
    assert config == {"architecture": "amd64"}
    assert layers[0].read_bytes() == b"layer"
    assert again.manifest(KEY.name, digest) == manifest
    assert again.where(KEY.name, digest) == KEY


def test_blobs_that_nobody_holds_are_swept_at_the_start_and_broken_uploads_too(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    push(store)
    other = RepositoryKey(KEY.account, KEY.region, "other")
    lost = push(store, other, b"only here")
    store.append(store.begin(), io.BytesIO(b"half of it"))
    store.clear(other)
    again = ImageStore(tmp_path)
    with pytest.raises(KeyError):
        again.manifest("other", lost)
    assert len(list((tmp_path / "blobs").iterdir())) == 3
    assert list((tmp_path / "uploads").iterdir()) == []


def test_what_is_not_there_is_a_key_error(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    for wanted in ("v1", "sha256:" + "0" * 64):
        with pytest.raises(KeyError):
            store.resolve(*vars(KEY).values(), wanted)
    with pytest.raises(KeyError):
        store.where(KEY.name, "sha256:" + "0" * 64)


@pytest.mark.parametrize("name", ["../../etc/passwd", "sha256:xyz", "md5:" + "0" * 64, "sha256:" + "A" * 64])
def test_only_digests_name_blobs(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError):
        ImageStore(tmp_path).path(name)


@pytest.mark.parametrize("upload", ["../blobs/x", "none", ".."])
def test_only_uploads_under_way_are_added_to(tmp_path: Path, upload: str) -> None:
    with pytest.raises(StoreError, match="no upload"):
        ImageStore(tmp_path).append(upload, io.BytesIO(b"x"))


def test_tokens_end_after_twelve_hours_and_are_nobody_elses() -> None:
    import base64

    tokens = Tokens()

    def header(password: str) -> str:
        return "Basic " + base64.b64encode(f"AWS:{password}".encode()).decode()

    assert tokens.read(header(tokens.password("1" * 12, "eu-west-1"))) == ("1" * 12, "eu-west-1")
    assert tokens.read(header(tokens.password("1" * 12, "eu-west-1", now=1.0))) is None
    assert Tokens().read(header(tokens.password("1" * 12, "eu-west-1"))) is None
    assert tokens.read("Basic %%%") is None

"""Layers are compressed, and have the same bytes on every machine."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import zlib
from pathlib import Path

import deflate
import pytest

from stepladder.core.errors import NotReadyError
from stepladder.images.context import compressed
from stepladder.images.context.archive import write_layer
from stepladder.images.context.compressed import PIECE, Gzip
from stepladder.images.context.files import Entry

TEXT = b"".join(b"def function_%d(value):\n    return value + %d\n\n" % (n, n * n) for n in range(20_000))
NOISE = random.Random(1).randbytes(40 * PIECE)
CONTENTS = {
    "nothing": b"",
    "one byte": b"x",
    "text": TEXT,
    "one piece": TEXT[:PIECE],
    "a byte more": TEXT[: PIECE + 1],
    "zeros": bytes(5 * PIECE),
    "noise": NOISE,
    "noise, then text": NOISE[: 3 * PIECE] + TEXT,
    "by turns": b"".join(NOISE[n : n + 700] + TEXT[n : n + 5000] for n in range(0, len(TEXT) - 5000, 5000)),
}


def packed(data: bytes, step: int = 10_240) -> bytes:
    out = io.BytesIO()
    writer = Gzip(out)
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
    writer.finish()
    assert writer.size == len(out.getvalue())
    assert writer.outer.hexdigest() == hashlib.sha256(out.getvalue()).hexdigest()
    assert writer.inner.hexdigest() == hashlib.sha256(data).hexdigest()
    return out.getvalue()


@pytest.mark.parametrize("data", CONTENTS.values(), ids=CONTENTS)
def test_it_is_one_member_of_gzip_that_holds_what_was_written(data: bytes) -> None:
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert reader.decompress(packed(data)) == data
    assert reader.eof
    assert not reader.unused_data


def test_text_shrinks_and_noise_does_not_grow() -> None:
    assert len(packed(TEXT)) < len(TEXT) / 4
    assert len(packed(NOISE)) < len(NOISE) * 1.001


def test_text_behind_noise_shrinks_too() -> None:
    assert len(packed(NOISE + TEXT * 4)) < len(NOISE) + 2 * len(TEXT)


@pytest.mark.parametrize("step", [1000, PIECE, 1 << 20])
def test_the_bytes_do_not_depend_on_how_they_were_written(step: int) -> None:
    assert packed(TEXT, step) == packed(TEXT)


def test_a_layer_has_the_digest_that_it_had_on_other_machines(tmp_path: Path) -> None:
    """Another digest means other bytes of the same inputs: raise BUILDER_VERSION and the one of `dependencies`."""
    (tmp_path / "module.py").write_bytes(TEXT + bytes(range(256)) * 500)
    layer = write_layer([Entry("var/task/module.py", tmp_path / "module.py")], "", tmp_path / "blobs")
    assert layer.digest == "sha256:1b945687452b2bf7273165b3dbc63ba03bf5c36f7d3a9090e0503dabf0fceadb"


def test_another_compressor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    compress = deflate.deflate_compress
    monkeypatch.setattr(deflate, "deflate_compress", lambda data, _level: compress(data, 6))
    compressed._check_compressor.cache_clear()
    try:
        with pytest.raises(
            NotReadyError, match="the package deflate is missing here, or compresses in another way"
        ) as caught:
            Gzip(io.BytesIO())
        assert caught.value.hint == "install what is locked: `uv sync`"
    finally:
        compressed._check_compressor.cache_clear()


@pytest.mark.parametrize("answer", [b"\x01", b"\xff" * 9, zlib.compress(b"other")[2:-4]])
def test_what_does_not_read_back_is_stored(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    compressed._check_compressor()
    monkeypatch.setattr(deflate, "deflate_compress", lambda _data, _level: answer)
    assert gzip.decompress(packed(TEXT)) == TEXT

"""Gzip whose bytes depend on its content alone, on every machine.

Deflate leaves the choice of matches to the program: zlib and zlib-ng of different versions give different bytes, and so
different digests. libdeflate gives the same bytes on every processor for as long as its version is the same
(https://github.com/ebiggers/libdeflate/issues/400), and the package `deflate` is pinned. It compresses a buffer as a
whole, so that a layer is made of pieces: each becomes one block, whose mark "this is the last one" is taken off.
docs/decisions/2026-11-26-compressed-layers.md has the figures.
"""

from __future__ import annotations

import functools
import hashlib
import io
import struct
import zlib

from stepladder.core.errors import NotReadyError

PIECE = 63 * 512
"""Bytes of one block. libdeflate's fastest level ends a block after 8192 matches, which have 4 bytes or more."""
_LEVEL = 1
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no name, no time, unknown system
_EMPTY = b"\x00\x00\xff\xff"  # an empty stored block without the three bits of its header (RFC 1951, 3.2.4)
_LAST = b"\x01\x00\x00\xff\xff"  # the empty stored block that ends a stream
_RARELY = 7  # pieces that aren't tried after some that don't shrink: weights, images, archives
_SAMPLE = "00128f515fe3bfbc"
"""How the hash of a compressed sample begins."""


class Gzip(io.RawIOBase):
    """Write gzip into `out`, hashing both sides: `inner` is what was written, `outer` what it became, `size` bytes."""

    def __init__(self, out: io.BufferedIOBase) -> None:
        _check_compressor()
        self._out, self._rest = out, b""
        self._crc, self._length = 0, 0
        self._rest_untried = self._untried = 0
        self.outer, self.inner, self.size = hashlib.sha256(), hashlib.sha256(), 0
        self._emit(_HEADER)

    def writable(self) -> bool:
        """Say that this is written to."""
        return True

    def write(self, data: object) -> int:
        """Take some bytes."""
        chunk = bytes(data)  # type: ignore[call-overload]
        self.inner.update(chunk)
        self._crc = zlib.crc32(chunk, self._crc)
        self._length += len(chunk)
        pending = self._rest + chunk if self._rest else chunk
        whole = len(pending) - len(pending) % PIECE
        for start in range(0, whole, PIECE):
            self._piece(pending[start : start + PIECE])
        self._rest = pending[whole:]
        return len(chunk)

    def finish(self) -> None:
        """Write what is left, and the trailer (RFC 1952, 2.3)."""
        if self._rest:
            self._piece(self._rest)
        self._emit(_LAST + struct.pack("<II", self._crc, self._length & 0xFFFFFFFF))

    def _piece(self, piece: bytes) -> None:
        """Write a piece. After one that doesn't shrink, others are stored untried, more of them each time."""
        if self._rest_untried:
            self._rest_untried -= 1
            self._emit(_stored(piece))
        elif packed := _packed(piece):
            self._untried = 0
            self._emit(packed)
        else:
            self._rest_untried = self._untried = min(2 * self._untried + 1, _RARELY)
            self._emit(_stored(piece))

    def _emit(self, data: bytes) -> None:
        self.outer.update(data)
        self.size += len(data)
        self._out.write(data)


def _stored(piece: bytes) -> bytes:
    return struct.pack("<BHH", 0, len(piece), len(piece) ^ 0xFFFF) + piece


def _packed(piece: bytes) -> bytes:
    """Return a piece as blocks that end at a whole byte and aren't the last; empty when it doesn't shrink.

    The empty block behind begins in the last byte where three bits of that are free, else in one of its own. Which of
    them, and that there is one block only, is found by reading it: what another zlib can't read is never written.
    """
    import deflate

    packed = bytearray(deflate.deflate_compress(piece, _LEVEL))
    if len(packed) + len(_EMPTY) >= len(piece):
        return b""
    packed[0] &= 0xFE  # the first bit of a block says whether it is the last (RFC 1951, 3.2.3)
    for padding in (b"", b"\x00"):
        blocks = bytes(packed) + padding + _EMPTY
        if _holds(blocks, piece):
            return blocks
    return b""


def _holds(blocks: bytes, piece: bytes) -> bool:
    reader = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        return reader.decompress(blocks + _LAST) == piece and reader.eof and not reader.unused_data
    except zlib.error:
        return False


@functools.cache
def _check_compressor() -> None:
    """Raise `NotReadyError` without the compressor, or for another version: its layers would have other digests."""
    sample = b"".join(b"%x %d %s\n" % (number**2, number, b"ab" * (number % 9)) for number in range(2500))
    try:
        same = hashlib.sha256(_packed(sample[:PIECE])).hexdigest().startswith(_SAMPLE)
    except ImportError:
        same = False
    if not same:
        raise NotReadyError(
            "the package deflate is missing here, or compresses in another way than the one that stepladder pins",
            kind="compressor",
            hint="install what is locked: `uv sync`",
        )

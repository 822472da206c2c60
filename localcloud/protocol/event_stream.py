"""Messages of AWS's binary event streams.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html describes the format.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_TEXT = 7  # the type of a header's value
_CHECKSUMS = 16  # bytes of a message besides its headers and its payload


def event(kind: str, payload: bytes, content_type: str = "application/octet-stream") -> bytes:
    """Return a message with an event."""
    return _message({":message-type": "event", ":event-type": kind, ":content-type": content_type}, payload)


def _message(headers: Mapping[str, str], payload: bytes) -> bytes:
    head = b"".join(
        struct.pack(f"!B{len(name)}sBH{len(value)}s", len(name), name.encode(), _TEXT, len(value), value.encode())
        for name, value in headers.items()
    )
    lengths = struct.pack("!II", len(head) + len(payload) + _CHECKSUMS, len(head))
    body = lengths + struct.pack("!I", binascii.crc32(lengths)) + head + payload
    return body + struct.pack("!I", binascii.crc32(body))

"""Send the blobs that a registry lacks: in parallel, mounted where they lie next door, resumed where they broke off."""

from __future__ import annotations

import hashlib
import io
import re
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import quote, urlencode

from stepladder.core.retry import Again, RegistryError, attempts, guard
from stepladder.images.model import Blob
from stepladder.images.registry.client import ACCEPTED, CREATED, NO_CONTENT, NOT_FOUND, OK, Progress, RegistryClient

WORKERS = 6
_MONOLITHIC = 8 << 20  # bytes: up to here one PUT; above, a PATCH that can be resumed
_OCTETS = {"Content-Type": "application/octet-stream"}
_RANGE = r"(?:bytes=)?0-(\d+)"


def push_blobs(registry: RegistryClient, repository: str, blobs: Iterable[Blob], progress: Progress) -> int:
    """Send what the repository lacks and return how many blobs were sent or mounted.

    `progress` hears bytes from several threads. The first failure stops what hasn't begun and is raised.
    """
    wanted = {blob.digest: blob for blob in blobs}
    stop = threading.Event()

    def count_bytes(count: int) -> None:
        if stop.is_set():
            raise _Stopped
        progress(count)

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="push") as pool:
        jobs = [pool.submit(_push, registry, repository, blob, count_bytes) for blob in wanted.values()]
        try:
            return sum(job.result() for job in jobs)
        except BaseException:  # Ctrl-C too: uploads under way end at their next piece
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Stopped(Exception):  # noqa: N818 - an order, not an error
    pass


def _push(registry: RegistryClient, repository: str, blob: Blob, progress: Progress) -> bool:
    if registry.has_blob(repository, blob.digest):
        return False
    mounted = blob.mount_from and _mount(registry, repository, blob)
    if not mounted:
        send = _whole if blob.size <= _MONOLITHIC else _resumable
        source = blob.local()
        try:
            send(registry, repository, blob, source, _Gauge(progress))
        except RegistryError as error:
            if isinstance(source, Path) and _discarded(source, blob.digest):
                raise _damaged(blob, error.status) from error
            raise
    # A registry that lost or damaged the blob is found out here, not at the manifest.
    if not registry.has_blob(repository, blob.digest):
        raise RegistryError(f"{registry.host} took the blob {blob.digest} but doesn't have it")
    return True


def _discarded(file: Path, digest: str) -> bool:
    """Remove a file that doesn't have the digest which it was kept under; say whether it was one."""
    with file.open("rb") as content:
        if f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}" == digest:
            return False
    file.unlink(missing_ok=True)
    return True


def _damaged(blob: Blob, status: int) -> RegistryError:
    return RegistryError(
        f"the layer {blob.digest[:19]} was damaged on this machine, and was removed",
        hint="run the same command again: it is made again",
        status=status,
    )


def _mount(registry: RegistryClient, repository: str, blob: Blob) -> bool:
    """Ask for a blob of another repository; False when the registry began an ordinary upload instead.

    ECR does it only where the account setting BLOB_MOUNTING is on.
    """
    query = urlencode({"mount": blob.digest, "from": blob.mount_from})
    answer = registry.request("POST", f"/v2/{repository}/blobs/uploads/?{query}", expect=(CREATED, ACCEPTED))
    if answer.status == ACCEPTED and answer.headers.get("location"):
        registry.request("DELETE", answer.headers["location"], expect=(OK, NO_CONTENT, 202, NOT_FOUND, 400, 405))
    return answer.status == CREATED


def _begin(registry: RegistryClient, repository: str) -> str:
    """Open an upload and return its location."""
    headers = {"Content-Length": "0"}
    answer = registry.request("POST", f"/v2/{repository}/blobs/uploads/", headers, expect=(ACCEPTED,))
    return answer.headers.get("location", "")


def _finished(location: str, digest: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}digest={quote(digest, safe='')}"


def _whole(registry: RegistryClient, repository: str, blob: Blob, source: bytes | Path, gauge: _Gauge) -> None:
    """POST, then one PUT with the bytes; an upload that broke is begun again, since its location is spent."""
    what = f"sending {blob.digest[:19]}"
    for attempt in attempts(what, limit=registry.attempts, deadline=registry.deadline):
        with guard(attempt, registry.host), _Body(source, 0, gauge) as body:
            location = _begin(registry, repository)
            headers = {**_OCTETS, "Content-Length": str(blob.size)}
            answer = registry.send(
                "PUT", _finished(location, blob.digest), headers, body=body, expect=(CREATED, NOT_FOUND)
            )
            if answer.status == NOT_FOUND:
                raise Again(f"{registry.host} lost the upload of {blob.digest}", status=NOT_FOUND)


def _resumable(registry: RegistryClient, repository: str, blob: Blob, source: bytes | Path, gauge: _Gauge) -> None:
    """POST, PATCH with the bytes, PUT; after a break, ask how much arrived and send the rest."""
    location = ""
    what = f"sending {blob.digest[:19]}"
    for attempt in attempts(what, limit=registry.attempts, deadline=registry.deadline):
        with guard(attempt, registry.host):
            location, offset = _resume(registry, location) if location else ("", 0)
            location = location or _begin(registry, repository)
            gauge.to(offset)
            if offset < blob.size:
                headers = {**_OCTETS, "Content-Length": str(blob.size - offset)}
                if offset:
                    headers["Content-Range"] = f"{offset}-{blob.size - 1}"
                with _Body(source, offset, gauge) as body:
                    answer = registry.send("PATCH", location, headers, body=body, expect=(ACCEPTED, NO_CONTENT))
                location = answer.headers.get("location") or location
            registry.send("PUT", _finished(location, blob.digest), {"Content-Length": "0"}, expect=(CREATED,))


def _resume(registry: RegistryClient, location: str) -> tuple[str, int]:
    """Return where and from which byte to go on; an empty location when the upload is lost."""
    try:
        answer = registry.request("GET", location, expect=(NO_CONTENT, OK))
    except RegistryError:
        return "", 0
    match = re.fullmatch(_RANGE, answer.headers.get("range", ""))
    have = int(match[1]) + 1 if match and match[1] != "0" else 0
    return answer.headers.get("location") or location, have


class _Gauge:
    """Turn positions in a blob into the differences that a progress callback hears."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._position = progress, 0

    def to(self, position: int) -> None:
        """Say how many bytes of the blob have gone out by now."""
        self._progress(position - self._position)
        self._position = position


class _Body:
    """A request's body from a position on, gauged as it is read."""

    def __init__(self, source: bytes | Path, offset: int, gauge: _Gauge) -> None:
        self._file: BinaryIO = source.open("rb") if isinstance(source, Path) else io.BytesIO(source)
        self._offset, self._gauge = offset, gauge
        self.rewind()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        data = self._file.read(size)
        self._gauge.to(self._file.tell())
        return data

    def rewind(self) -> None:
        """Begin again, as a renewed login needs it."""
        self._file.seek(self._offset)
        self._gauge.to(self._offset)

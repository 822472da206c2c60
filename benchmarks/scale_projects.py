"""Projects of a chosen size for `scale.py`: many files, many megabytes of packages, a large image, a long ledger."""

from __future__ import annotations

import hashlib
import random
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from live_project import PYTHON, LiveProject
from running_cloud import RunningCloud

from stepladder.core.clock import stamp
from stepladder.core.process_identity import release_id
from stepladder.ledger import schema
from stepladder.ledger.schema import FAILED, SUCCEEDED, ReleaseEntry

UNTESTED_NOTE = (
    "Without smoke cases: the local cloud unpacks the whole image to run it once, which costs what Lambda's own "
    "start would, and not what the command does."
)
LEDGER_NOTE = (
    "The ledger is the local cloud's. What it takes to search ten thousand items is in the seconds, and not in the "
    "processor time, which is the command's."
)
SETTLED = 2.5  # seconds after which a written file's hash is kept
PIECE, _DISTINCT = 1 << 20, 8
PACKAGES = 10
DEPENDENCIES = """\
ARG BASE_IMAGE=public.ecr.aws/lambda/python:{python}
FROM ${{BASE_IMAGE}} AS packages
COPY requirements.txt /build/
RUN python -m pip install --require-hashes --target /packages -r /build/requirements.txt

FROM ${{BASE_IMAGE}}
COPY --from=packages /packages ${{LAMBDA_TASK_ROOT}}/
COPY app/ ${{LAMBDA_TASK_ROOT}}/app/
CMD ["app.handler.handler"]
"""


def payload(name: str, size: int, text: float) -> Iterator[bytes]:
    """Yield `size` bytes by pieces, the same each time: a share `text` of each is text, the rest doesn't shrink.

    Eight pieces are repeated, far beyond the window of any gzip.
    """
    numbers = random.Random(name)  # noqa: S311 - no secrets
    words = [numbers.randbytes(numbers.randrange(3, 9)).hex().encode() for _ in range(3000)]
    pieces = list[bytes]()
    for start in range(0, size, PIECE):
        if len(pieces) < _DISTINCT:
            lines = b" ".join(numbers.choices(words, k=int(PIECE * text) // 10))[: int(PIECE * text)]
            pieces.append(lines + numbers.randbytes(PIECE - len(lines)))
        yield pieces[start // PIECE % _DISTINCT][: size - start]


def write(path: Path, size: int, text: float) -> None:
    """Write a file of a payload."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for piece in payload(path.name, size, text):
            file.write(piece)


def with_files(cloud: RunningCloud, root: Path, count: int) -> LiveProject:
    """Return a project, released once, whose image has `count` files of 3 kB."""
    root.mkdir()
    for number in range(count):
        write(root / f"function/app/data/{number // 100:03}/{number:05}.txt", 3_000, 0.5)
    project = LiveProject(cloud, root)
    project.make()
    return project


class Packaged(LiveProject):
    """A project with ten packages of a size in MB all together."""

    size = 0

    def write(self) -> None:
        """Write the project's files, and the packages as wheels."""
        super().write()
        (self.root / "function/Dockerfile").write_text(DEPENDENCIES.format(python=PYTHON))
        (self.root / "function/.dockerignore").write_text("*\n!app\n!requirements.txt\n")
        self.upgrade(0)

    def upgrade(self, number: int) -> None:
        """Lock another version of the first package."""
        wheels = self.root / "wheels"
        names = [f"package{each}" for each in range(PACKAGES)]
        versions = dict.fromkeys(names, "1.0") | {names[0]: f"1.{self._version(number)}"}
        lines = [_wheel(wheels, name, version, self.size * 10**6 // PACKAGES) for name, version in versions.items()]
        (self.root / "function/requirements.txt").write_text(
            f"--no-index\n--find-links {wheels}\n" + "".join(lines), encoding="utf-8"
        )

    def _version(self, number: int) -> int:
        return number + 1 if (self.root / "function/requirements.txt").exists() else 0


def with_packages(cloud: RunningCloud, root: Path, size: int) -> Packaged:
    """Return a project, released once, with `size` MB of packages."""
    root.mkdir()
    project = Packaged(cloud, root)
    project.size = size
    project.make()
    return project


def _wheel(folder: Path, name: str, version: str, size: int) -> str:
    """Write a wheel of some size unless it is there, and return its locked line."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    if not path.is_file():
        folder.mkdir(exist_ok=True)
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            files: dict[str, Callable[[], Iterator[bytes]]] = {
                f"{name}/__init__.py": lambda: iter([f"VERSION = {version!r}\n".encode()]),
                **{
                    f"{name}/data{part}.bin": lambda part=part: payload(f"{name}{version}{part}", size // 5, 0.5)
                    for part in range(5)
                },
                f"{info}/METADATA": lambda: iter(
                    [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()]
                ),
                f"{info}/WHEEL": lambda: iter([b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"]),
            }
            files[f"{info}/RECORD"] = lambda: iter(["".join(f"{each},,\n" for each in files).encode()])
            for member, content in files.items():
                with archive.open(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), "w", force_zip64=True) as file:
                    for piece in content():
                        file.write(piece)
    with path.open("rb") as file:
        return f"{name}=={version} --hash=sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}\n"


class Weighted(LiveProject):
    """A project whose image has weights of a model, of a size in MB."""

    size = 0

    def write_weights(self) -> None:
        """Write four files of weights."""
        for number in range(4):
            write(self.root / f"function/app/weights/{number}.bin", self.size * 10**6 // 4, 0.25)


def with_weights(cloud: RunningCloud, root: Path, size: int) -> Weighted:
    """Return a project, released once without its weights of `size` MB."""
    root.mkdir()
    project = Weighted(cloud, root)
    project.size = size
    project.make()
    return project


def fill_ledger(project: LiveProject, count: int) -> None:
    """Write so many releases before the one that there is, one of ten of which failed."""
    newest = project.releases[-1]
    with project.inside():
        ledger = project.rung().ledger
        begun = time.time() - 3_600.0 * (count + 10)
        entry = ReleaseEntry(
            release_id="",
            environment="staging",
            kind="deploy",
            version=str(newest["version"]),
            previous_version=str(newest["version"]),
            digest=str(newest["digest"]),
            git_commit="c0ffee",
            requested_by="the benchmark",
            result=SUCCEEDED,
            started_at="",
            ended_at="",
        )
        puts = []
        for number in range(count):
            now = begun + 3_600.0 * number
            failed = {"result": FAILED, "cause": "an alarm went off"} if number % 10 == 0 else {}
            release = replace(
                entry, release_id=release_id(now), started_at=stamp(now), ended_at=stamp(now + 5), **failed
            )
            key = schema.RELEASE.key(environment="staging", release_id=release.release_id)
            puts.append({"PutRequest": {"Item": schema.item(key, release)}})
        for start in range(0, count, 25):
            ledger.client.batch_write_item(RequestItems={ledger.table: puts[start : start + 25]})

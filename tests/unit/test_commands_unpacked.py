"""What an image has in common with the one before is unpacked once, and compiled once."""

from __future__ import annotations

import io
import py_compile
import tarfile
from pathlib import Path

import pytest

from stepladder.commands.unpacked import UnpackedImages
from stepladder.images.model import Blob, LocalImage, canonical, digest_of


def layer(folder: Path, **files: str) -> Blob:
    """Write a layer; the names of files have `__` for a slash."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"var/task/{name.replace('__', '/')}.py")
            entry.size, entry.mtime = len(text), 315_532_800  # the one time that files of an image bear
            archive.addfile(entry, io.BytesIO(text.encode()))
    digest = digest_of(data.getvalue())
    path = folder / digest.replace(":", "-")
    path.write_bytes(data.getvalue())
    return Blob(digest, len(data.getvalue()), "layer", path=path)


def image(*layers: Blob) -> LocalImage:
    config = Blob("sha256:c", 1, "config", data=b"{}")
    return LocalImage(canonical([blob.digest for blob in layers]), config, layers, "host-python:3.13", "arm64")


@pytest.fixture
def packages(tmp_path: Path) -> Blob:
    return layer(tmp_path, package__code="X = 1", shared="Y = 1")


def test_an_image_has_its_files_and_links_to_those_that_did_not_change(tmp_path: Path, packages: Blob) -> None:
    unpacked = UnpackedImages(tmp_path)
    one, two = (image(packages, layer(tmp_path, app__handler=text)) for text in ("A = 1", "A = 2"))
    for each in (one, two):
        unpacked.make(each)
    first, second = (unpacked.root(each) / "var/task" for each in (one, two))
    assert (first / "app/handler.py").read_text() == "A = 1"
    assert (second / "app/handler.py").read_text() == "A = 2"
    assert (first / "package/code.py").samefile(second / "package/code.py")


def test_a_file_that_the_code_replaces_stays_as_it_was_below(tmp_path: Path, packages: Blob) -> None:
    unpacked = UnpackedImages(tmp_path)
    one = image(packages, layer(tmp_path, shared="Y = 2"))
    two = image(packages, layer(tmp_path, other="Z = 1"))
    for each in (one, two):
        unpacked.make(each)
    assert (unpacked.root(one) / "var/task/shared.py").read_text() == "Y = 2"
    assert (unpacked.root(two) / "var/task/shared.py").read_text() == "Y = 1"


def test_what_was_compiled_of_packages_is_kept_and_nothing_beside_the_code(tmp_path: Path, packages: Blob) -> None:
    unpacked = UnpackedImages(tmp_path)
    one, two = (image(packages, layer(tmp_path, app__handler=text, main=text)) for text in ("A = 1", "A = 2"))
    unpacked.make(one)
    for name in ("package/code.py", "app/handler.py", "main.py", "shared.py"):
        py_compile.compile(str(unpacked.root(one) / "var/task" / name))
    unpacked.keep_compiled(one)
    unpacked.make(two)
    compiled = {path.parent.parent.name for path in unpacked.root(two).rglob("*.pyc")}
    assert compiled == {"package"}, "the code of one size and time would pass for the other"


def test_images_that_nothing_runs_any_more_are_removed(tmp_path: Path, packages: Blob) -> None:
    unpacked = UnpackedImages(tmp_path)
    images = [image(packages, layer(tmp_path, app=f"A = {number}")) for number in range(5)]
    for each in (*images, images[2]):
        unpacked.make(each)
    assert [unpacked.root(each).is_dir() for each in images] == [False, False, True, True, True]


def test_what_can_not_be_unpacked_is_left_to_the_launcher(tmp_path: Path, packages: Blob) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"no archive")
    one = image(packages, Blob("sha256:b", 10, "layer", path=broken))
    unpacked = UnpackedImages(tmp_path)
    unpacked.make(one)
    assert not unpacked.root(one).is_dir()
    unpacked.keep_compiled(one)

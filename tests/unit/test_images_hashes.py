"""A large file is read once, and again after anything that may have changed it."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stepladder.images.context import hashes
from stepladder.images.context.files import Entry
from stepladder.images.context.hashes import LARGE, ContentHashes


class Project:
    """One large file, and how often it was read."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file, self.note = root / "model.bin", root / "cache/hashes.json"
        self.file.write_bytes(b"1" * LARGE)
        self.reads = 0
        read = Entry.sha256

        def counted(entry: Entry) -> bytes:
            self.reads += 1
            return read(entry)

        monkeypatch.setattr(Entry, "sha256", counted)

    def hash(self) -> bytes:
        """Hash it as a command does."""
        kept = ContentHashes(self.note)
        digest = kept.of(Entry("model.bin", self.file))
        kept.save()
        assert digest == hashlib.sha256(self.file.read_bytes()).digest()
        return digest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(tmp_path, monkeypatch)


@pytest.fixture
def old(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The file was written long before it is read."""
    monkeypatch.setattr(hashes, "_GRAIN", -(10**12))
    project.hash()
    assert project.reads == 1
    return project


def test_a_file_is_read_once(old: Project) -> None:
    for _ in range(3):
        old.hash()
    assert old.reads == 1


def replaced(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(b"2" * LARGE)
    state = file.stat()
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(file)


def rewritten_with_its_old_time(file: Path) -> None:
    state = file.stat()
    time.sleep(0.02)  # longer than a tick of the kernel's clock
    file.write_bytes(b"3" * LARGE)
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        replaced,
        rewritten_with_its_old_time,
        lambda file: file.write_bytes(b"1" * (LARGE + 1)),
        lambda file: (time.sleep(0.02), file.write_bytes(b"4" * LARGE)),
        lambda file: (time.sleep(0.02), file.chmod(0o600)),
    ],
    ids=["replaced by one with its time", "rewritten, time put back", "longer", "same length", "another mode"],
)
def test_a_file_that_may_have_changed_is_read_again(old: Project, change: Callable[[Path], object]) -> None:
    change(old.file)
    old.hash()
    assert old.reads == 2


def test_a_file_that_was_written_just_now_is_not_believed(project: Project) -> None:
    """Its next change may leave size and times as they are: a file system counts time in ticks."""
    project.hash()
    assert not project.note.exists()
    project.hash()
    assert project.reads == 2


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"%s": 3}', '{"%s": [1, 2]}', '{"%s": []}', '{"%s": [0,0,0,0,0,"zz"]}']
)
def test_a_broken_note_is_no_note(old: Project, text: str) -> None:
    old.note.write_text(text.replace("%s", str(old.file)))
    old.hash()
    assert old.reads == 2


def test_a_note_with_anything_but_a_hash_is_not_believed(old: Project) -> None:
    kept = json.loads(old.note.read_text())
    kept[str(old.file)][-1] = "z" * 64
    old.note.write_text(json.dumps(kept))
    old.hash()
    assert old.reads == 2


def test_small_files_are_always_read(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, "_GRAIN", -(10**12))
    project.file.write_bytes(b"1" * (LARGE - 1))
    project.hash()
    project.hash()
    assert project.reads == 2
    assert not project.note.exists()


def test_files_that_are_gone_are_forgotten(old: Project) -> None:
    ContentHashes(old.note).save()
    kept = ContentHashes(old.note)
    (old.file.parent / "b").write_bytes(b"2" * LARGE)
    kept.of(Entry("b", old.file.parent / "b"))
    kept.save()
    assert list(json.loads(old.note.read_text())) == [str(old.file.parent / "b")]


def test_a_note_that_cannot_be_written_costs_nothing_but_time(project: Project) -> None:
    project.note.parent.write_text("no folder")
    project.hash()
    project.hash()
    assert project.reads == 2

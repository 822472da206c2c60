"""Unpacking what isn't trusted: layers and deployment packages."""

from __future__ import annotations

import io
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from localcloud.launchers import unpack

Entry = tuple[str, str, str]  # kind, name, content or link


def layer(tmp_path: Path, name: str, *entries: Entry) -> Path:
    path = tmp_path / f"{name}.tar.gz"
    kinds = {"dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}
    with tarfile.open(path, "w:gz") as archive:
        for kind, entry, text in entries:
            info = tarfile.TarInfo(entry)
            info.type = kinds.get(kind, tarfile.REGTYPE)
            info.mode = 0o755 if kind in ("dir", "program") else 0o644
            if kind in ("link", "hard"):
                info.linkname = text
            info.size = len(text) if kind in ("file", "program") else 0
            archive.addfile(info, io.BytesIO(text.encode()) if info.size else None)
    return path


def files(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file() and not p.is_symlink()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def test_layers_are_applied_in_order(tmp_path: Path, root: Path) -> None:
    first = layer(tmp_path, "1", ("dir", "var", ""), ("file", "var/a", "1"), ("program", "var/b", "1"))
    second = layer(tmp_path, "2", ("file", "var/a", "2"))
    unpack.layers([first, second], root)
    assert files(root) == {"var/a": "2", "var/b": "1"}
    assert (root / "var/b").stat().st_mode & 0o111


def test_a_whiteout_removes_what_lower_layers_hold(tmp_path: Path, root: Path) -> None:
    first = layer(tmp_path, "1", ("file", "d/a", "1"), ("file", "d/b", "1"), ("file", "e/f/g", "1"))
    second = layer(tmp_path, "2", ("file", "d/.wh.a", ""), ("file", ".wh.e", ""))
    unpack.layers([first, second], root)
    assert files(root) == {"d/b": "1"}


def test_an_opaque_folder_hides_lower_layers_but_not_its_own(tmp_path: Path, root: Path) -> None:
    first = layer(tmp_path, "1", ("file", "d/old", "1"), ("file", "d/sub/old", "1"))
    second = layer(tmp_path, "2", ("file", "d/sub/new", "2"), ("file", "d/.wh..wh..opq", ""), ("file", "d/also", "2"))
    unpack.layers([first, second], root)
    assert files(root) == {"d/sub/new": "2", "d/also": "2"}


def test_a_folder_takes_the_place_of_a_file_and_the_other_way_round(tmp_path: Path, root: Path) -> None:
    first = layer(tmp_path, "1", ("file", "a", "1"), ("file", "b/c", "1"))
    second = layer(tmp_path, "2", ("dir", "a", ""), ("file", "a/x", "2"), ("file", "b", "2"))
    unpack.layers([first, second], root)
    assert files(root) == {"a/x": "2", "b": "2"}


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([("file", "../escaped", "x")], id="a path that climbs"),
        pytest.param([("file", "a/../../escaped", "x")], id="a path that climbs later"),
        pytest.param([("hard", "h", "../../etc/passwd")], id="a hard link outside"),
        pytest.param([("link", "l", "/etc/passwd"), ("hard", "h", "l")], id="a hard link to a link"),
    ],
)
def test_what_would_leave_the_folder_is_refused(tmp_path: Path, root: Path, entries: list[Entry]) -> None:
    with pytest.raises(unpack.UnpackError):
        unpack.layers([layer(tmp_path, "bad", *entries)], root)
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("destination", ["/outside", "../../outside", "../../../../../../outside"])
def test_a_link_is_followed_as_if_the_folder_were_the_root(tmp_path: Path, root: Path, destination: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = str(outside) if destination == "/outside" else destination
    unpack.layers([layer(tmp_path, "1", ("link", "d", target), ("file", "d/x", "caught"))], root)
    assert list(outside.iterdir()) == []
    assert [text for name, text in files(root).items() if name.endswith("x")] == ["caught"]


def test_an_absolute_path_and_a_whiteout_of_a_link_stay_inside(tmp_path: Path, root: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("safe")
    first = layer(tmp_path, "1", ("file", "/abs/x", "1"), ("link", "l", str(kept)))
    unpack.layers([first, layer(tmp_path, "2", ("file", ".wh.l", ""))], root)
    assert files(root) == {"abs/x": "1"}
    assert kept.read_text() == "safe"


def test_links_in_a_circle_end(tmp_path: Path, root: Path) -> None:
    circle = layer(tmp_path, "1", ("link", "a", "b"), ("link", "b", "a"), ("file", "a/x", "1"))
    with pytest.raises(unpack.UnpackError, match="too many symbolic links"):
        unpack.layers([circle], root)


def test_devices_are_left_out(tmp_path: Path, root: Path) -> None:
    unpack.layers([layer(tmp_path, "1", ("device", "dev/null", ""), ("file", "a", "1"))], root)
    assert files(root) == {"a": "1"}
    assert not (root / "dev/null").exists()


def test_a_broken_layer_is_an_error(tmp_path: Path, root: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"no tar")
    with pytest.raises(unpack.UnpackError):
        unpack.layers([broken], root)


def test_more_than_the_limit_is_refused(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "LIMIT", 5)
    with pytest.raises(unpack.UnpackError, match="too big"):
        unpack.layers([layer(tmp_path, "1", ("file", "a", "123456"))], root)


def test_a_zip_keeps_its_programs_and_cannot_climb(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "f.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("bin/run")
        info.external_attr = 0o100755 << 16
        archive.writestr(info, "x")
        archive.writestr("app.py", "y")
    unpack.zip_file(path, root)
    assert (root / "bin/run").stat().st_mode & 0o111
    assert not (root / "app.py").stat().st_mode & 0o111
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../escaped", "x")
    with pytest.raises(unpack.UnpackError):
        unpack.zip_file(path, root)


def test_a_folder_is_made_once_however_many_ask(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        time.sleep(0.05)
        (folder / "x").write_text("1")
        made.append(folder)

    threads = [threading.Thread(target=unpack.once, args=(tmp_path / "d" / "out", make)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert files(tmp_path / "d") == {"out/x": "1"}


def test_a_folder_that_could_not_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "x").write_text("1")
        raise unpack.UnpackError("no")

    attempt: Callable[[], Path] = lambda: unpack.once(tmp_path / "out", fail)  # noqa: E731 - a name for the call
    with pytest.raises(unpack.UnpackError):
        attempt()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "d/.wh.."])
def test_a_whiteout_of_no_file_is_an_error(tmp_path: Path, root: Path, name: str) -> None:
    with pytest.raises(unpack.UnpackError, match="hides no file"):
        unpack.layers([layer(tmp_path, "1", ("file", "d/a", "1")), layer(tmp_path, "2", ("file", name, ""))], root)
    assert root.parent.is_dir()


def test_a_file_of_a_zip_is_not_written_through_a_link_of_its_name(tmp_path: Path, root: Path) -> None:
    outside, path = tmp_path / "outside", tmp_path / "a.zip"
    outside.write_text("kept")
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("x")
        link.external_attr = (0o120777) << 16
        archive.writestr(link, str(outside))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x", "written")
    unpack.zip_file(path, root)
    assert outside.read_text() == "kept"
    assert (root / "x").read_text() == "written"

"""A large layer is divided so that a change sends little, the same way on every machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import image_project as project

from stepladder.images.context.files import Entry
from stepladder.images.context.hashes import ContentHashes
from stepladder.images.context.split import LARGE, PART, by_package, by_path, split
from stepladder.images.layers import code

MANY = 100


def sparse(root: Path, sizes: dict[str, int]) -> list[Entry]:
    entries = []
    for path, size in sizes.items():
        source = root / path
        source.parent.mkdir(parents=True, exist_ok=True)
        with source.open("wb") as file:
            file.truncate(size)
        entries.append(Entry(path, source))
    return entries


def paths(parts: list[list[Entry]]) -> list[set[str]]:
    return [{entry.path for entry in part} for part in parts]


def test_what_is_small_is_one_layer(tmp_path: Path) -> None:
    entries = sparse(tmp_path, {"a": 1, "b/c": PART - 1})
    assert split(entries) == [entries]
    assert split([]) == [[]]


def test_a_large_file_has_a_layer_of_its_own(tmp_path: Path) -> None:
    entries = sparse(tmp_path, {"app/handler.py": 100, "models/a": LARGE, "models/b": 3 * LARGE})
    assert sorted(map(sorted, paths(split(entries)))) == [["app/handler.py"], ["models/a"], ["models/b"]]


@pytest.mark.parametrize("size", [LARGE // 20, LARGE], ids=["small", "large"])
def test_there_are_few_layers_however_many_files(tmp_path: Path, size: int) -> None:
    parts = split(sparse(tmp_path, {f"data/{number}": size for number in range(MANY)}))
    assert 4 <= len(parts) <= 16
    assert sorted(entry.path for part in parts for entry in part) == sorted(f"data/{n}" for n in range(MANY))


@pytest.mark.parametrize(
    "order", [lambda entries: entries, lambda entries: entries[::-1]], ids=["sorted", "the other way round"]
)
def test_the_order_of_the_files_does_not_matter(tmp_path: Path, order: Callable[[list[Entry]], list[Entry]]) -> None:
    entries = sparse(tmp_path, {f"data/{number}": LARGE // 10 for number in range(30)})
    assert paths(split(order(entries))) == paths(split(entries))


def test_a_package_is_in_one_layer_with_its_libraries_and_metadata(tmp_path: Path) -> None:
    sizes = {
        f"var/task/{name}": LARGE // 3
        for package in ("numpy", "Pandas", "scipy", "lxml", "polars")
        for name in (f"{package}/core.so", f"{package}.libs/b.so", f"{package.lower()}-2.0.dist-info/RECORD")
    }
    parts = paths(split(sparse(tmp_path, sizes), by_package("var/task"), LARGE))
    assert len(parts) > 1
    for package in ("numpy", "Pandas", "scipy", "lxml", "polars"):
        assert sum(any(f"/{package.lower()}" in path.lower() for path in part) for part in parts) == 1, package


def test_each_layer_has_the_folders_above_its_files(tmp_path: Path) -> None:
    files = sparse(tmp_path, {"tmp/a": LARGE, "tmp/deep/b": LARGE, "other/c": 1})
    folders = [Entry("tmp", tmp_path, folder=True, mode=0o1777), Entry("tmp/deep", tmp_path, folder=True, mode=0o700)]
    parts = paths(split([*files, *folders], by_path))
    assert sorted(map(sorted, parts)) == [["other/c"], ["tmp", "tmp/a"], ["tmp", "tmp/deep", "tmp/deep/b"]]


def test_a_change_makes_one_layer_anew_and_reads_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.make(tmp_path)
    sizes = {"models/a.bin": LARGE, **{f"data/{number}": LARGE // 10 for number in range(20)}}
    entries = sparse(tmp_path / "function", sizes)
    cache = tmp_path / "cache"
    before = code.layers(entries, cache, ContentHashes(cache / "hashes.json"))
    assert len(before) > 4
    assert code.layers(entries, cache, ContentHashes(cache / "hashes.json")) == before
    (tmp_path / "function/data/7").write_bytes(b"changed")
    made = list[str]()
    write = code.write_layer
    monkeypatch.setattr(
        code, "write_layer", lambda part, *rest: made.extend(e.path for e in part) or write(part, *rest)
    )
    after = code.layers(entries, cache, ContentHashes(cache / "hashes.json"))
    assert len({layer.digest for layer in after} - {layer.digest for layer in before}) == 1
    assert "data/7" in made
    assert "models/a.bin" not in made


def test_a_layer_of_a_file_that_changed_while_it_was_written_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries, cache = sparse(tmp_path, {"a": LARGE, "b": 1}), tmp_path / "cache"
    write = code.write_layer

    def overtaken(part: list[Entry], *rest: Any) -> Any:
        (tmp_path / "b").write_text("3" if part[0].path == "b" else "\0")
        return write(part, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(code, "write_layer", overtaken)
        wrong = code.layers(entries, cache, ContentHashes(cache / "hashes.json"))
    (tmp_path / "b").write_bytes(b"\0")
    assert code.layers(entries, cache, ContentHashes(cache / "hashes.json")) != wrong


def test_a_layer_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    entries = sparse(tmp_path, {"a": LARGE, "b": 1})
    cache = tmp_path / "cache"
    before = code.layers(entries, cache, ContentHashes(cache / "hashes.json"))
    for layer in before:
        layer.path.write_bytes(b"short")
    assert code.layers(entries, cache, ContentHashes(cache / "hashes.json")) == before
    assert [layer.path.stat().st_size for layer in before] == [layer.size for layer in before]

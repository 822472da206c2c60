"""Requirement files, read as pip reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stepladder.core.errors import BadInputError
from stepladder.images.requirements import read
from stepladder.images.requirements.read import Requirement


def one(tmp_path: Path, content: str) -> Requirement:
    path = tmp_path / "requirements.txt"
    path.write_text(content)
    (found,) = read.read(path).requirements
    return found


@pytest.mark.parametrize(
    ("line", "name", "specifier", "marker"),
    [
        ("six", "six", "", ""),
        ("six==1.17.0", "six", "==1.17.0", ""),
        ("Six >= 1, <2  # why", "Six", ">= 1, <2", ""),
        ("zope.interface~=5.0", "zope.interface", "~=5.0", ""),
        ("six (==1.17.0)", "six", "==1.17.0", ""),
        ("six==1;python_version<'3.12'", "six", "==1", "python_version<'3.12'"),
        ('six ; sys_platform == "win32"', "six", "", 'sys_platform == "win32"'),
        ("six \\\n  ==1.17.0", "six", "==1.17.0", ""),
        ("six \\\n# a comment ends it\n", "six", "", ""),
        ("six===1.0+local", "six", "===1.0+local", ""),
    ],
)
def test_a_requirement_is_taken_apart(tmp_path: Path, line: str, name: str, specifier: str, marker: str) -> None:
    found = one(tmp_path, line)
    assert (found.name, found.specifier, found.marker, found.url) == (name, specifier, marker, "")


def test_names_compare_whatever_their_spelling_and_extras_too(tmp_path: Path) -> None:
    found = one(tmp_path, "Zope.Interface[Docs, test_it] == 1.0")
    assert (found.key, found.extras, found.version) == ("zope-interface", {"docs", "test-it"}, "1.0")


@pytest.mark.parametrize(
    ("line", "name", "url"),
    [
        ("six @ https://example.org/six-1-py3-none-any.whl", "six", "https://example.org/six-1-py3-none-any.whl"),
        ("six[a]@ file:///w/six.whl ; os_name == 'nt'", "six", "file:///w/six.whl"),
        ("https://example.org/six-1-py3-none-any.whl", "six", "https://example.org/six-1-py3-none-any.whl"),
        ("./wheels/six-1-py3-none-any.whl", "six", "./wheels/six-1-py3-none-any.whl"),
        ("six-1-py3-none-any.whl", "six", "six-1-py3-none-any.whl"),
        ("../lib", "", "../lib"),
        ("git+https://example.org/six", "", "git+https://example.org/six"),
    ],
)
def test_a_direct_reference_is_known_as_one(tmp_path: Path, line: str, name: str, url: str) -> None:
    found = one(tmp_path, line)
    assert (found.name, found.url, found.editable) == (name, url, False)


@pytest.mark.parametrize("line", ["-e ../lib", "--editable ../lib", "--editable=../lib"])
def test_an_editable_is_known_as_one(tmp_path: Path, line: str) -> None:
    assert (one(tmp_path, line).url, one(tmp_path, line).editable) == ("../lib", True)


@pytest.mark.parametrize(
    ("line", "hashes"),
    [
        ("six==1 --hash=sha256:aa --hash sha256:bb", ("sha256:aa", "sha256:bb")),
        ("six==1 \\\n    --hash=sha256:aa \\\n    --hash=sha384:bb\n    # via x", ("sha256:aa", "sha384:bb")),
        ("six @ https://example.org/six.whl#sha256=aa", ("sha256:aa",)),
        ("six==1 --config-settings=a=b --hash=sha256:aa", ("sha256:aa",)),
    ],
)
def test_hashes_are_read_wherever_pip_reads_them(tmp_path: Path, line: str, hashes: tuple[str, ...]) -> None:
    assert one(tmp_path, line).hashes == hashes


def test_options_are_taken_and_an_unknown_one_is_told(tmp_path: Path) -> None:
    options = "--require-hashes\n-i https://a\n--trusted-host b\n--trusted-host=c\n--pre\n-f x\n--only-binary :all:\n"
    (tmp_path / "requirements.txt").write_text(f"{options}six\n--speed 3\n")
    found = read.read(tmp_path / "requirements.txt", "function/requirements.txt")
    assert [requirement.name for requirement in found.requirements] == ["six"]
    assert (found.hosts, found.unknown) == (["b", "c"], ["function/requirements.txt:9: --speed 3"])


def test_files_that_are_named_are_read_with_the_place_of_each_line(tmp_path: Path) -> None:
    (tmp_path / "requirements.in").write_text("-r more/base.in\n-cmore/limits.txt\nsix\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/base.in").write_text("# base\n--requirement=deep.in\n")
    (tmp_path / "more/deep.in").write_text("attrs\n")
    (tmp_path / "more/limits.txt").write_text("six<2\n")
    found = read.read(tmp_path / "requirements.in", "function/requirements.in")
    places = [(requirement.name, requirement.where) for requirement in found.requirements]
    assert places == [("attrs", "function/more/deep.in:1"), ("six", "function/requirements.in:3")]
    assert [constraint.specifier for constraint in found.constraints] == ["<2"]
    assert len(found.files) == 4


@pytest.mark.parametrize(
    ("content", "said"), [("-r none.in\n", "requirements.in:1: there is no"), ("-r r.in", "circle")]
)
def test_a_named_file_that_isn_t_there_or_leads_back_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "requirements.in").write_text(content)
    (tmp_path / "r.in").write_text("-r requirements.in")
    with pytest.raises(BadInputError, match=said):
        read.read(tmp_path / "requirements.in")


def test_a_variable_of_the_environment_is_put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "example.org")
    assert one(tmp_path, "six @ https://${HOST}/${ABSENT}/six.whl").url == "https://example.org/${ABSENT}/six.whl"

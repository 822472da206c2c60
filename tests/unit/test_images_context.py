"""What enters the build context: .dockerignore, links, modes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stepladder.core.errors import BadInputError
from stepladder.images.context.files import collect, secrets
from stepladder.images.context.ignore import Ignore, reason


@pytest.mark.parametrize(
    ("patterns", "path", "excluded"),
    [
        (["*.md"], "README.md", True),
        (["*.md"], "docs/README.md", False),
        (["**/*.md"], "docs/deep/README.md", True),
        (["**/*.md"], "README.md", True),
        (["docs"], "docs/a/b.txt", True),
        (["/docs"], "docs/a.txt", True),
        (["docs/"], "docs/a.txt", True),
        (["docs/*"], "docs/a/b.txt", True),
        (["a?c"], "abc", True),
        (["a?c"], "a/c", False),
        (["[ab].txt"], "a.txt", True),
        (["[^ab].txt"], "a.txt", False),
        ([r"\*.txt"], "*.txt", True),
        ([r"\*.txt"], "a.txt", False),
        (["*", "!app"], "app/handler.py", False),
        (["*", "!app"], "other.py", True),
        (["*", "!app", "app/secret.txt"], "app/secret.txt", True),
        (["app", "!app/keep.py"], "app/keep.py", False),
        (["!keep.md", "*.md"], "keep.md", True),
        (["# *.py", ""], "a.py", False),
        (["./app/../docs"], "docs/a", True),
        (["foo/**/bar"], "foo/bar", True),
        (["foo/**/bar"], "foo/x/y/bar", True),
        (["**"], "anything/at/all", True),
        (["a.b"], "axb", False),
        (["\ufeffREADME"], "README", True),
        (["**foo"], "deep/foo/z", True),
        (["**foo"], "foobar", False),
        (["foo**bar"], "foobar", True),
        (["f**r"], "foobar", False),
        (["../docs"], "docs/a", False),
        (["//docs"], "docs/a", True),
        (["docs/**/"], "docs/a", True),
        ([" #hash"], "#hash", True),
        (["  *.md  "], "README.md", True),
        (["."], "a.txt", False),
        (["/"], "a.txt", False),
        (["a^b"], "a^b", True),
        (["{a,b}.txt"], "a.txt", False),
        (["[a-b]*.txt"], "ab.txt", True),
        (["(p)"], "(p)", True),
        ([r"\!bang"], "!bang", True),
        (["**", "!foo/x"], "foo/x/bar", False),
        (["*.txt", "!a*.txt", "ab.txt"], "ab.txt", True),
    ],
)
def test_dockerignore_decides_as_docker_does(patterns: list[str], path: str, excluded: bool) -> None:
    assert Ignore(patterns).excludes(path) is excluded


@pytest.mark.parametrize("pattern", ["[a-", "[]a]", "[a-]x", "docs\\", "\\", "!", "! ", "[[:alpha:]]"])
def test_a_pattern_that_docker_refuses_is_bad_input_with_its_line(pattern: str) -> None:
    with pytest.raises(BadInputError, match=r"function/\.dockerignore:2: "):
        Ignore(["*.md", pattern], "function/.dockerignore")


def test_what_is_left_out_as_a_secret_is_named_unless_a_line_does_it(tmp_path: Path) -> None:
    for name in ("app/server.key", "app/ca.pem", ".env", "app/.venv/x.pem", "certs/a.pem", ".aws/credentials", "a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".dockerignore").write_text("certs\n!app/ca.pem\n")
    assert secrets(tmp_path) == (".aws", ".env", "app/server.key")
    assert "app/ca.pem" in [entry.path for entry in collect(tmp_path)]


def test_a_path_that_stays_out_says_which_rule_and_which_line_takes_it_in(tmp_path: Path) -> None:
    for name in ("ca.pem", "main.py"):
        (tmp_path / name).touch()
    (tmp_path / ".dockerignore").write_text("*.py\n")
    assert "built-in rule `**/*.pem`" in reason(tmp_path, "ca.pem")
    assert "`!ca.pem`" in reason(tmp_path, "/ca.pem")
    assert "`*.py` in " in reason(tmp_path, "./main.py")
    assert reason(tmp_path, "lost.py") == ""


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "app/.env.local",
        "certs/key.pem",
        "app/id.key",
        ".git/config",
        "app/__pycache__/a.pyc",
        ".aws/credentials",
    ],
)
def test_secrets_and_junk_stay_out_without_being_asked(path: str) -> None:
    assert Ignore([]).excludes(path)
    assert Ignore(["*", "!app", "!app/**", "!certs/*", "!**"]).excludes(path)


def test_a_line_that_means_a_secret_by_name_takes_it_in() -> None:
    assert not Ignore(["*", "!app", "!app/ca.pem"]).excludes("app/ca.pem")
    assert not Ignore(["!**/*.pem"]).excludes("certs/ca.pem")
    assert Ignore(["!app/ca.pem"]).excludes("app/key.pem")


def test_the_context_is_sorted_and_knows_what_is_executable(tmp_path: Path) -> None:
    for name in ("b.py", "a/z.py", "a.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "b.py").chmod(0o700)
    (tmp_path / "link").symlink_to("a/z.py")
    found = collect(tmp_path)
    assert [entry.path for entry in found] == ["a.py", "a/z.py", "b.py", "link"]
    assert [entry.executable for entry in found] == [False, False, True, False]
    assert found[-1].link == "a/z.py"


def test_a_file_taken_back_out_of_an_ignored_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/keep.py").touch()
    (tmp_path / "app/drop.py").touch()
    (tmp_path / ".dockerignore").write_text("*\n!app/keep.py\n")
    assert [entry.path for entry in collect(tmp_path)] == ["app/keep.py"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside"])
def test_a_link_out_of_the_context_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(BadInputError, match="leads out"):
        collect(tmp_path)


def test_a_pipe_in_the_context_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInputError, match="neither a file nor a link"):
        collect(tmp_path)


def test_a_missing_context_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no folder nowhere/"):
        collect(tmp_path / "nowhere")


def test_a_dockerignore_is_read_as_docker_reads_it(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    (tmp_path / "b.py").touch()
    for written in (b"# caf\xe9\r\nb.py\r\n", b"\xef\xbb\xbf# x\nb.py", "b.py\n".encode("utf-16")):
        (tmp_path / ".dockerignore").write_bytes(written)
        assert [entry.path for entry in collect(tmp_path)] == [".dockerignore", "a.py"]
    (tmp_path / ".dockerignore").write_bytes(b"a.py\ncaf\xe9\n")
    with pytest.raises(BadInputError, match=r"\.dockerignore:2: byte 0xE9 is not UTF-8"):
        collect(tmp_path)


@pytest.mark.parametrize("link", [False, True])
def test_a_name_that_is_not_utf_8_is_refused_unless_it_stays_out(tmp_path: Path, link: bool) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (tmp_path / name).touch()
    if link:
        (tmp_path / "link").symlink_to(name)
    (tmp_path / ".dockerignore").write_text("caf*\n")
    if not link:
        assert [entry.path for entry in collect(tmp_path)] == [".dockerignore"]
        (tmp_path / ".dockerignore").unlink()
    with pytest.raises(BadInputError, match=r"is not UTF-8: .*caf\\xe9\.txt"):
        collect(tmp_path)

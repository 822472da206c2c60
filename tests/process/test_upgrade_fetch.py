"""How another version's files come out of git: untouched by a person's settings, and into no repository of theirs."""

import io
from pathlib import Path

import pytest
from library_versions import git as run_git

from stepladder.core import git, process
from stepladder.core.console import Console
from stepladder.core.errors import NotReadyError, StepladderError
from stepladder.upgrade import entry, fetch, pin, report
from stepladder.upgrade.fetch import CommitStore, VersionFiles
from stepladder.upgrade.pin import VersionSource
from stepladder.upgrade.plan import UpgradePlan
from stepladder.upgrade.prepare import PreparedUpgrade

SECRET = "https://user:s3cr@t@host/stepladder.whl"


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "library"
    for name, content in {"stepladder/__init__.py": '__version__ = "0.2.0"\n', "template/a": "one\ntwo\n"}.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(content)
    committed(folder)
    run_git(folder, "branch", "work")
    return folder


@pytest.fixture
def mine(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "mine").write_text("mine\n")
    committed(folder)
    run_git(folder, "branch", "work")
    return folder


def committed(folder):
    run_git(folder, "init", "-q", "-b", "main")
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-q", "-m", "first")


def test_nothing_is_fetched_into_the_repository_of_a_hook_that_upgrades(library, mine, tmp_path, monkeypatch):
    wanted, own = (run_git(each, "rev-parse", "HEAD") for each in (library, mine))
    before = run_git(mine, "for-each-ref")
    monkeypatch.setenv("GIT_DIR", str(mine / ".git"))
    store = CommitStore(f"file://localhost{library}", tmp_path / "cache")
    found = store.commit_of(wanted[:9])
    local = CommitStore(str(library), tmp_path / "cache").commit_of("work")
    head = git.ask(library, "rev-parse", "HEAD")
    monkeypatch.delenv("GIT_DIR")

    assert found == local == wanted != own
    assert head.strip() == wanted
    assert run_git(mine, "for-each-ref") == before


def test_files_come_out_as_they_were_committed_whatever_lines_a_person_wants(library, tmp_path, monkeypatch):
    for key, value in {"COUNT": "1", "KEY_0": "core.autocrlf", "VALUE_0": "true"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    source = VersionSource("git", str(library), run_git(library, "rev-parse", "HEAD"))
    files = fetch.fetch(source, tmp_path / "into", [CommitStore(str(library), tmp_path / "cache")])

    assert (files.template / "a").read_bytes() == b"one\ntwo\n"


def test_lines_that_end_as_on_windows_already_get_no_second_return():
    windows = entry.PathEntry("file", b"one\r\ntwo\r\n")

    assert windows.as_lines_of(b"1\r\n2\n") == b"1\r\n2\r\n"


def test_a_password_of_an_archives_address_is_in_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "_uv", lambda *_: f"error: {SECRET} is gone")
    with pytest.raises(NotReadyError) as failed:
        fetch.fetch(VersionSource("archive", SECRET), tmp_path / "into", [])

    assert "s3cr" not in f"{failed.value} {failed.value.hint} {failed.value.problems}"
    assert "https://host/stepladder.whl" in failed.value.message


def test_a_password_of_an_address_is_in_no_error_of_a_command_that_takes_too_long():
    with pytest.raises(StepladderError) as failed:
        process.run(["sh", "-c", "sleep 5", SECRET], timeout=0.05)

    assert "s3cr" not in failed.value.hint


def test_a_password_of_the_pin_is_neither_shown_nor_in_the_json_document():
    requirement = pin.parse(f"stepladder @ {SECRET}").text
    files = VersionFiles(Path(), "0.2.0", None)
    write = report.FileChange("a", "kept")
    prepared = PreparedUpgrade(files, files, UpgradePlan((write,)), (None,), requirement, False, (), {}, ())
    out = io.StringIO()
    report.show(prepared, Console(out=out, err=out, live=False), proposed=Path())
    record = report.record(prepared, Path(), applied=False, proposed=Path())

    assert "https://host/stepladder.whl" in out.getvalue()
    assert "s3cr" not in out.getvalue()
    assert record["requirement"] == "stepladder @ https://host/stepladder.whl"


def test_a_version_of_the_index_is_unpacked_and_never_built(tmp_path, monkeypatch):
    """A source archive is built by its own code, with the credentials of whoever upgrades."""
    called = []

    def uv(*arguments):
        called.append(arguments)
        return "not there"

    monkeypatch.setattr(fetch, "_uv", uv)
    with pytest.raises(NotReadyError):
        fetch.fetch(VersionSource("index", ref="0.2.0"), tmp_path / "into", [])

    assert all("--no-build" in arguments for arguments in called)

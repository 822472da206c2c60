"""An upgrade is written as a whole: a kill, a full disk or a read-only folder never leaves half of one for good."""

import errno
import os
from pathlib import Path

import pytest

from stepladder.core import project_origin
from stepladder.core.errors import LockedError, RefusedError, StepladderError
from stepladder.upgrade import apply, entry
from stepladder.upgrade.apply import FOLDER, FileWrite

BEFORE = {"changed": "old\n", "deleted/only": "x\n", "kept": "k\n"}
AFTER = {"changed": "new\n", "kept": "k\n", "new/file": "n\n"}


class KillError(BaseException):
    """What no `except` of ours catches, as a kill."""


@pytest.fixture
def project(tmp_path):
    for name, content in BEFORE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def writes(project):
    return [
        FileWrite("changed", entry.read(project, "changed"), b"new\n", 0o644),
        FileWrite("deleted/only", entry.read(project, "deleted/only"), None),
        FileWrite("new/file", entry.read(project, "new/file"), b"n\n", 0o644),
    ]


def contents(project):
    names = (path for path in project.rglob("*") if path.is_file() and FOLDER.parts[0] not in path.parts)
    return {path.relative_to(project).as_posix(): path.read_text() for path in names}


def test_everything_is_written_and_nothing_is_left_over(project):
    apply.apply(project, writes(project))

    assert contents(project) == AFTER
    assert not (project / "deleted").exists()
    assert [path.name for path in (project / FOLDER).iterdir()] == ["written.json"]


@pytest.mark.parametrize("renames", range(1, 12))
def test_killed_at_any_rename_it_is_all_old_or_the_next_run_makes_it_all_new(project, monkeypatch, renames):
    """Each file appears by a rename, the journal and the records of the upgrade too."""
    left = [renames]

    def counted(self, target, real=Path.replace):
        left[0] -= 1
        if left[0] <= 0:
            raise KillError
        return real(self, target)

    planned = writes(project)
    monkeypatch.setattr(Path, "replace", counted)
    try:
        apply.apply(project, planned)
    except KillError:
        monkeypatch.undo()
        if not project_origin.is_half_upgraded(project):
            assert contents(project) in (BEFORE, AFTER)
            apply.apply(project, [write for write in planned if contents(project) == BEFORE])
        else:
            apply.resume(project)
    assert contents(project) == AFTER
    assert not project_origin.is_half_upgraded(project)


@pytest.mark.parametrize("after_files", range(5))
def test_a_full_disk_leaves_every_file_as_it_was(project, monkeypatch, after_files):
    fail_once(monkeypatch, after_files)
    try:
        apply.apply(project, writes(project))
    except StepladderError as error:
        assert "No space left on device" in error.message  # noqa: PT017 - whether it comes hangs on the number
        assert contents(project) == BEFORE
    else:
        assert contents(project) == AFTER
    assert not project_origin.is_half_upgraded(project)


def fail_once(monkeypatch, after, times=1):
    """Let renames in the project fail, after so many, once or as often as it is said."""
    count = [0]

    def full(path, target, real=Path.replace):
        if FOLDER.parts[0] not in Path(target).parts:
            count[0] += 1
            if after < count[0] <= after + times:
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, target)

    monkeypatch.setattr(Path, "replace", full)


def test_what_can_not_be_undone_is_finished_by_the_next_run(project, monkeypatch):
    fail_once(monkeypatch, 1, times=9)
    with pytest.raises(StepladderError, match="the next run finishes it"):
        apply.apply(project, writes(project))
    monkeypatch.undo()
    apply.resume(project)

    assert contents(project) == AFTER


def test_a_full_disk_while_the_files_are_staged_changes_nothing(project, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StepladderError, match="nothing was changed"):
        apply.apply(project, writes(project))
    assert contents(project) == BEFORE


def test_a_file_that_changed_meanwhile_stops_it_before_anything_is_written(project):
    planned = writes(project)
    (project / "deleted/only").write_text("mine\n")

    with pytest.raises(StepladderError, match="deleted/only changed"):
        apply.apply(project, planned)
    assert contents(project) == BEFORE | {"deleted/only": "mine\n"}


def test_a_file_that_somebody_changed_after_a_kill_stays(project, monkeypatch):
    planned = writes(project)
    monkeypatch.setattr(apply, "_carry_out", lambda *_: (_ for _ in ()).throw(KillError()))
    with pytest.raises(KillError):
        apply.apply(project, planned)
    monkeypatch.undo()
    (project / "changed").write_text("mine\n")

    done, changed = apply.resume(project)

    assert changed == ("changed",)
    assert sorted(done) == ["deleted/only", "new/file"]
    assert contents(project) == AFTER | {"changed": "mine\n"}


def test_a_damaged_journal_is_cleared_by_the_next_run(project):
    journal = project / FOLDER / project_origin.JOURNAL
    journal.parent.mkdir(parents=True)
    journal.write_text("{")

    assert apply.resume(project) == ((), ())
    assert not project_origin.is_half_upgraded(project)


def test_a_read_only_file_is_replaced_with_its_permissions(project):
    (project / "changed").chmod(0o444)
    apply.apply(project, [FileWrite("changed", entry.read(project, "changed"), b"new\n", 0o444)])

    assert (project / "changed").read_text() == "new\n"
    assert (project / "changed").stat().st_mode & 0o777 == 0o444


def test_a_folder_that_may_not_be_written_to_is_refused_before_anything_is_written(project, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != project / "deleted")

    with pytest.raises(RefusedError, match="read-only"):
        apply.apply(project, writes(project))
    assert contents(project) == BEFORE


def test_what_was_written_is_known_until_somebody_changes_it(project):
    apply.apply(project, writes(project))

    assert apply.is_written(project, "changed")
    assert apply.is_written(project, "deleted/only")
    assert not apply.is_written(project, "kept")
    (project / "changed").write_text("mine\n")
    assert not apply.is_written(project, "changed")


def test_one_upgrade_at_a_time(project):
    with apply.locked(project), pytest.raises(LockedError, match="another upgrade"), apply.locked(project):
        pass

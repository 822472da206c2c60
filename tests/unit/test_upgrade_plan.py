"""What an upgrade does to each file: the template before and now, beside the project's own."""

import pytest

from stepladder.upgrade import entry, plan
from stepladder.upgrade.entry import PathEntry

BODY = "".join(f"line {number}\n" for number in range(20))


def file(content, mode=0o644):
    return PathEntry("file", content if isinstance(content, bytes) else content.encode(), mode)


def write(project, files):
    for name, content in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def planned(tmp_path):
    """Plan an upgrade of a project; return its changes by path."""

    def plan_of(base, theirs, ours, only=None):
        write(tmp_path, ours)
        sides = [{name: file(content) for name, content in side.items()} for side in (base, theirs)]
        made = plan.make(*sides, tmp_path, frozenset(only) if only else None)
        return {change.path: change for change in made.changes}

    return plan_of


def actions(changes):
    return {path: change.action for path, change in changes.items()}


def test_a_file_that_the_project_left_alone_is_replaced(planned):
    changes = planned({"a": "old\n"}, {"a": "new\n"}, {"a": "old\n"})

    assert actions(changes) == {"a": "replace"}
    assert changes["a"].after == b"new\n"


def test_a_file_that_the_template_left_alone_stays(planned):
    assert planned({"a": "old\n"}, {"a": "old\n"}, {"a": "mine\n"}) == {}


def test_a_change_that_the_project_has_already_is_none(planned):
    assert planned({"a": "old\n"}, {"a": "new\n"}, {"a": "new\n"}) == {}


def test_a_new_file_is_added_and_one_that_the_template_dropped_is_deleted(planned):
    changes = planned({"gone": "x\n"}, {"added": BODY}, {"gone": "x\n"})

    assert actions(changes) == {"gone": "delete", "added": "add"}


def test_a_file_that_the_project_deleted_stays_deleted(planned):
    changes = planned({"a": "old\n"}, {"a": "new\n"}, {})

    assert actions(changes) == {"a": "kept"}
    assert changes["a"].after is None


def test_a_file_of_the_projects_own_is_never_overwritten_by_a_new_one(planned):
    changes = planned({}, {"a": "template\n"}, {"a": "mine\n"})

    assert actions(changes) == {"a": "conflict"}
    assert changes["a"].after is None
    assert changes["a"].proposed == b"template\n"


def test_a_changed_file_that_the_template_dropped_stays_as_a_conflict(planned):
    assert actions(planned({"a": "old\n"}, {}, {"a": "mine\n"})) == {"a": "conflict"}


def test_what_is_the_projects_own_from_its_first_day_is_left_alone(planned):
    own = ("function/app/handler.py", "function/requirements.txt", "tests/smoke/answers.json")
    base, theirs = (dict.fromkeys((*own, "tests/conftest.py"), text) for text in ("old\n", "new\n"))

    assert actions(planned(base, theirs, base)) == {"tests/conftest.py": "replace"}


def test_a_renamed_file_is_followed(planned):
    changes = planned({"old.tf": BODY}, {"new.tf": BODY + "more\n"}, {"old.tf": BODY})

    assert actions(changes) == {"new.tf": "rename"}
    assert changes["new.tf"].old_path == "old.tf"
    assert changes["new.tf"].after == f"{BODY}more\n".encode()


def test_a_renamed_file_that_the_project_deleted_stays_deleted(planned):
    assert actions(planned({"old.tf": BODY}, {"new.tf": BODY}, {})) == {"new.tf": "kept"}


def test_a_rename_onto_a_file_of_the_projects_own_is_a_conflict(planned):
    changes = planned({"old.tf": BODY}, {"new.tf": BODY}, {"old.tf": BODY, "new.tf": "mine\n"})

    assert actions(changes) == {"new.tf": "conflict"}, "what the old file declares isn't lost meanwhile"
    assert actions(planned({"old.tf": BODY}, {"new.tf": BODY}, {"old.tf": BODY, "new.tf": BODY})) == {
        "old.tf": "delete"
    }


def test_a_renamed_binary_file_that_is_the_same_is_followed(planned):
    picture = b"\0\1" * 50

    assert actions(planned({"a.png": picture}, {"b.png": picture}, {"a.png": picture})) == {"b.png": "rename"}


def test_a_file_of_two_names_is_merged_and_not_deleted(planned, tmp_path):
    """As `Readme.md` and `README.md` are on macOS; a hard link is the same here."""
    write(tmp_path, {"Readme.md": BODY})
    (tmp_path / "README.md").hardlink_to(tmp_path / "Readme.md")

    assert planned({"Readme.md": BODY}, {"README.md": BODY}, {}) == {}
    changes = planned({"Readme.md": BODY}, {"README.md": BODY + "more\n"}, {})
    assert actions(changes) == {"Readme.md": "replace"}


def test_files_without_likeness_are_no_rename(planned):
    changes = planned({"old": BODY}, {"new": "something else\n"}, {"old": BODY})

    assert actions(changes) == {"old": "delete", "new": "add"}


def test_lines_that_end_as_on_windows_are_no_change_and_stay(planned):
    changes = planned({"a": "one\ntwo\n"}, {"a": "one\nTWO\n"}, {"a": b"one\r\ntwo\r\n"})

    assert actions(changes) == {"a": "replace"}
    assert changes["a"].after == b"one\r\nTWO\r\n"
    assert planned({"b": "one\n"}, {"b": "two\n"}, {"b": b"two\r\n"}) == {}


def test_a_file_made_binary_is_a_conflict(planned):
    assert actions(planned({"a": "old\n"}, {"a": "new\n"}, {"a": b"\0\1\2"})) == {"a": "conflict"}


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "below a link", "below a file"])
def test_what_is_no_file_any_more_is_a_conflict_and_nothing_is_written_through_it(
    planned, tmp_path, tmp_path_factory, kind
):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "a").write_text("old\n")
    (tmp_path / "in").mkdir()
    match kind:
        case "link":
            (tmp_path / "in/a").symlink_to(outside / "a")
        case "dangling link":
            (tmp_path / "in/a").symlink_to(outside / "nothing")
        case "folder":
            (tmp_path / "in/a").mkdir()
        case "below a link":
            (tmp_path / "in").rmdir()
            (tmp_path / "in").symlink_to(outside)
        case "below a file":
            (tmp_path / "in").rmdir()
            (tmp_path / "in").write_text("a file\n")
    changes = planned({"in/a": "old\n"}, {"in/a": "new\n"}, {})

    assert actions(changes) == {"in/a": "conflict"}
    assert changes["in/a"].why


def test_the_permissions_of_a_file_stay(planned, tmp_path):
    write(tmp_path, {"run": "old\n"})
    (tmp_path / "run").chmod(0o755)

    assert planned({"run": "old\n"}, {"run": "new\n"}, {})["run"].mode == 0o755


def test_the_records_are_not_merged(planned):
    names = (".cruft.json", "terraform/modules/.origin.json")

    assert planned(dict.fromkeys(names, "1\n"), dict.fromkeys(names, "2\n"), dict.fromkeys(names, "1\n")) == {}


def test_only_some_paths_are_planned_when_the_others_were_upgraded_before(planned):
    base, theirs = {"a": "1\n", "b": "1\n"}, {"a": "2\n", "b": "2\n"}

    assert actions(planned(base, theirs, base, only=["b"])) == {"b": "replace"}


def test_a_tree_is_read_with_every_file(tmp_path):
    write(tmp_path, {"a": "1", "b/c": "2"})

    assert {name: at.content for name, at in entry.tree(tmp_path).items()} == {"a": b"1", "b/c": b"2"}

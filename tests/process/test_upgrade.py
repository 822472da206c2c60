"""`inv project.upgrade` with a library in a git repository: what it merges, refuses, leaves, and says."""

import io
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from library_versions import ANSWERS, FIRST, PROJECT, LibraryVersions, git, questions

from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, ExitCode, NotReadyError, RefusedError, StepladderError
from stepladder.upgrade import apply, fetch, origin, pin, prepare
from stepladder.upgrade.pin import VersionSource
from stepladder.upgrade.render import render
from stepladder.upgrade.upgrade import UpgradeOptions, upgrade

ALARMS = "terraform/modules/service/alarms.tf"
DOCKERFILE = "function/Dockerfile"
NOTES = """
0.2.0:
  changes: [The Dockerfile has a second step.]
  terraform: [Nothing is replaced.]
  by_hand: [Read this.]
"""
SECOND = {
    f"{PROJECT}/{DOCKERFILE}": FIRST[f"{PROJECT}/{DOCKERFILE}"].replace("RUN one", "RUN one && two"),
    f"{PROJECT}/function/app/handler.py": "# another example\n",
    f"{PROJECT}/added.txt": "{{ cookiecutter.colour }}\n",
    ALARMS: FIRST[ALARMS] + "# one more alarm\n",
    "template/cookiecutter.json": questions(colour=["red", "blue"]),
    "template/upgrade.yaml": NOTES,
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    versions = LibraryVersions(tmp_path_factory.mktemp("library"))
    versions.release("0.1.0", {})
    versions.release("0.2.0", SECOND)
    return versions


@pytest.fixture(scope="module")
def made(library, tmp_path_factory):
    """A project of 0.1.0 that pins its commit, committed."""
    folder = tmp_path_factory.mktemp("made")
    commit = library.commits["0.1.0"]
    source = VersionSource("git", f"file://{library.folder}", commit)
    files = fetch.fetch(source, folder / "files", [fetch.CommitStore(source.address, folder / "cache")])
    requirement = f"stepladder[local] @ git+{source.address}@{commit}"
    project = render(files, ANSWERS, folder / "out", source=source, requirement=requirement, checkout=None).project
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "first")
    return project


@pytest.fixture(scope="module")
def renderings(tmp_path_factory):
    return {}, tmp_path_factory.mktemp("renderings")


@pytest.fixture
def project(made, tmp_path, monkeypatch, renderings):
    """A copy of the project; each version is fetched and rendered once for all tests."""
    known, folder = renderings

    def remembered(files, answers, into, **options):
        key = (files.commit, json.dumps(answers, sort_keys=True), json.dumps(options, default=str, sort_keys=True))
        if key not in known:
            known[key] = render(files, answers, Path(tempfile.mkdtemp(dir=folder)) / "made", **options)
        return known[key]

    def fetched(source, into, stores, real=prepare._fetched):
        key = (source, *(store.address for store in stores))
        if key not in known:
            known[key] = real(source, Path(tempfile.mkdtemp(dir=folder)) / "files", stores)
        return known[key]

    monkeypatch.setattr(prepare, "render", remembered)
    monkeypatch.setattr(prepare, "_fetched", fetched)
    return Path(shutil.copytree(made, tmp_path / "small"))


class Ran:
    def __init__(self, project, *, as_json=False, **options):
        self.out, self.err = io.StringIO(), io.StringIO()
        self.error = None
        try:
            console = Console(out=self.out, err=self.err, live=False, as_json=as_json, width=100)
            upgrade(project, UpgradeOptions(**options), console)
        except StepladderError as error:
            self.error = error

    @property
    def text(self):
        return self.out.getvalue() + self.err.getvalue()


def commit(project):
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "mine")


def edit(project, name, old, new):
    path = project / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def record(project):
    return json.loads((project / ".cruft.json").read_text())


def test_the_newest_release_is_merged_with_what_the_project_changed(project, library):
    edit(project, ALARMS, "# alarm 0", "# alarm of mine")
    commit(project)
    ran = Ran(project)

    assert ran.error is None, ran.text
    assert (project / ALARMS).read_text().startswith("# alarm of mine\n")
    assert (project / ALARMS).read_text().endswith("# one more alarm\n")
    assert "RUN one && two" in (project / DOCKERFILE).read_text()
    assert (project / "function/app/handler.py").read_text() == "# an example\n", "it is the project's own"
    assert (project / "added.txt").read_text() == "red\n"
    assert f'@{library.commits["0.2.0"]}"' in (project / "pyproject.toml").read_text()
    assert record(project)["commit"] == library.commits["0.2.0"]
    assert record(project)["version"] == "0.2.0"
    assert record(project)["context"]["cookiecutter"]["colour"] == "red"
    assert git(project, "log", "--oneline").count("\n") == 1, "nothing is committed"
    for shown in (
        "0.1.0",
        "0.2.0",
        "merged",
        "replaced",
        "new answer: colour",
        "Nothing is replaced.",
        "uv sync",
        "inv deploy --env lowest",
    ):
        assert shown in ran.text

    again = Ran(project)
    assert again.error is None
    assert "nothing to change" in again.text


def test_a_dry_run_writes_nothing(project):
    before = git(project, "status", "--porcelain")
    ran = Ran(project, dry_run=True)

    assert ran.error is None
    assert "added.txt" in ran.text
    assert git(project, "status", "--porcelain") == before


def test_lines_that_both_changed_stay_are_shown_and_stay_unresolved_until_somebody_says_so(project):
    edit(project, DOCKERFILE, "RUN one", "RUN mine")
    commit(project)
    assert Ran(project, dry_run=True).error.message.startswith("1 file would be in conflict")
    ran = Ran(project)

    assert ran.error.exit_code == ExitCode.FAILED
    assert ran.error.record["conflicts"] == [DOCKERFILE], "with --json it is in the error's document"
    assert "RUN mine\n" in (project / DOCKERFILE).read_text()
    assert "<<<<<<<" not in (project / DOCKERFILE).read_text()
    assert "+RUN one && two" in ran.text
    assert "both sides changed the same lines, in 1 place;" in ran.text
    proposed = project / ".stepladder/upgrade/proposed" / DOCKERFILE
    assert "<<<<<<< this project" in proposed.read_text()
    assert (project / "added.txt").is_file(), "all else is upgraded"

    state = git(project, "diff")
    again = Ran(project)
    assert again.error.kind == "upgrade-conflicts"
    assert git(project, "diff") == state

    wrong = Ran(project, resolved=("tasks.py",))
    assert wrong.error.exit_code == ExitCode.BAD_INPUT
    assert Ran(project, resolved=(DOCKERFILE,), dry_run=True).error.exit_code == ExitCode.BAD_INPUT
    shutil.copy(proposed, project / DOCKERFILE)
    marked = Ran(project, resolved=(DOCKERFILE,))
    assert marked.error.exit_code == ExitCode.REFUSED
    assert "marks" in marked.error.message
    assert "unresolved" in record(project)
    (project / DOCKERFILE).write_text("FROM python\nRUN mine && two\n")
    resolved = Ran(project, resolved=(DOCKERFILE,))
    assert resolved.error is None
    assert "unresolved" not in record(project)
    assert not proposed.exists()
    assert "nothing to change" in Ran(project).text


def test_a_conflict_that_was_merged_by_hand_is_none_any_more(project):
    edit(project, DOCKERFILE, "RUN one", "RUN mine")
    commit(project)
    Ran(project)
    edit(project, DOCKERFILE, "RUN mine", "RUN one && two")

    assert Ran(project).error is None
    assert "unresolved" not in record(project)


def test_a_third_version_waits_until_the_conflicts_are_resolved(project, library):
    edit(project, DOCKERFILE, "RUN one", "RUN mine")
    commit(project)
    Ran(project)
    commit(project)
    ran = Ran(project, to=library.commits["0.1.0"])

    assert ran.error.exit_code == ExitCode.REFUSED
    assert DOCKERFILE in ran.error.hint


def test_json_is_one_document_and_says_what_comes_next(project):
    ran = Ran(project, as_json=True)
    printed = json.loads(ran.out.getvalue())

    assert (printed["from"]["version"], printed["to"]["version"], printed["applied"]) == ("0.1.0", "0.2.0", True)
    assert {change["path"]: change["action"] for change in printed["changes"]}[DOCKERFILE] == "replace"
    assert printed["next"] == ["uv sync --upgrade-package stepladder", "inv deploy --env lowest --dry-run"]


@pytest.mark.parametrize("change", ["edited", "new file", "no repository", "no commit"])
def test_what_git_does_not_have_is_refused_and_named(project, change):
    match change:
        case "edited":
            edit(project, "tasks.py", "ns =", "ns  =")
        case "new file":
            (project / "notes.txt").write_text("mine\n")
        case "no repository" | "no commit":
            shutil.rmtree(project / ".git")
    if change == "no commit":
        git(project, "init", "-q")
    ran = Ran(project)

    assert isinstance(ran.error, RefusedError)
    assert {"edited": "tasks.py", "new file": "notes.txt"}.get(change, "git repository") in ran.error.message
    assert "--allow-dirty" in ran.error.hint
    assert not (project / "added.txt").exists()
    if change == "new file":
        assert Ran(project, dry_run=True).error.exit_code == ExitCode.REFUSED
        assert Ran(project, allow_dirty=True).error is None
        assert (project / "added.txt").exists()


def test_a_machine_without_git_says_so(project, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")

    assert Ran(project).error.exit_code == ExitCode.NOT_READY


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", '{"context": 1}', '{"context": {"cookiecutter": {}}}', "\0\xff"]
)
def test_a_project_whose_record_is_missing_or_damaged_is_refused(project, content):
    (project / ".cruft.json").unlink() if content is None else (project / ".cruft.json").write_text(content)
    ran = Ran(project, allow_dirty=True)

    assert isinstance(ran.error, BadInputError)
    assert ran.error.kind == "no-origin"


def test_a_project_without_a_commit_needs_the_version_named(project):
    whole = record(project)
    (project / ".cruft.json").write_text(json.dumps({**whole, "commit": None}))
    commit(project)

    assert "--from 0.1.0" in Ran(project).error.hint
    assert Ran(project, base="0.1.0").error is None
    assert "RUN one && two" in (project / DOCKERFILE).read_text()


@pytest.mark.parametrize("is_repository", [True, False])
def test_a_project_of_a_folder_without_a_commit_takes_the_version_named_from_the_folder_or_the_index(
    project, library, tmp_path, is_repository
):
    folder = library.folder if is_repository else tmp_path
    requirement = pin.parse(f"stepladder[local] @ file://{folder}")
    made = origin.ProjectOrigin({}, None, {}, {})
    expected = VersionSource("git", str(folder), library.commits["0.1.0"])

    base = origin.base(made, "0.1.0", requirement, tmp_path / "cache")
    assert base == (expected if is_repository else VersionSource("index", ref="0.1.0"))


def test_an_archive_is_one_version_and_another_one_needs_its_own_address(project, tmp_path):
    archive = pin.parse("stepladder @ https://h/stepladder.zip")
    made = origin.ProjectOrigin({}, None, {}, {})
    with pytest.raises(BadInputError) as refused:
        origin.target("0.2.0", made, archive, tmp_path, project)

    assert "stepladder==0.2.0" in refused.value.hint
    assert origin.target("stepladder==0.2.0", made, archive, tmp_path, project) == VersionSource("index", ref="0.2.0")
    assert origin.base(made, "0.1.0", archive, tmp_path) == VersionSource("index", ref="0.1.0")


def test_a_submodule_that_is_not_checked_out_is_no_change_that_could_be_lost(project, library):
    git(project, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.folder), "vendor")
    commit(project)
    git(project, "submodule", "deinit", "-q", "-f", "vendor")

    assert Ran(project).error is None


def test_a_templates_code_runs_without_the_credentials_of_a_person(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    versions = LibraryVersions(tmp_path / "library")
    seen = tmp_path / "seen.json"
    code = f"import json, os, pathlib\n\npathlib.Path({str(seen)!r}).write_text(json.dumps(dict(os.environ)))\n"
    commit_id = versions.release("0.1.0", {"template/stepladder_template/__init__.py": code})
    source = VersionSource("git", f"file://{versions.folder}", commit_id)
    files = fetch.fetch(source, tmp_path / "files", [fetch.CommitStore(source.address, tmp_path / "cache")])
    render(files, ANSWERS, tmp_path / "out", source=source, requirement="stepladder", checkout=None)

    environment = json.loads(seen.read_text())
    assert "secret" not in environment.values()
    assert environment["HOME"] == str(tmp_path / "out")
    assert environment["PATH"]


@pytest.mark.parametrize("wanted", ["9.9.9", "no-such-tag", "f" * 40, "abcdef1", "--upload-pack=x", "../nothing"])
def test_a_version_that_is_not_there_is_refused(project, wanted):
    error = Ran(project, to=wanted).error

    assert error.exit_code in {ExitCode.BAD_INPUT, ExitCode.NOT_READY}
    assert not (project / "added.txt").exists()


@pytest.mark.parametrize("named", ["", "0.2.0", "v0.2.0", "main", "short", "full", "source"])
def test_a_version_has_many_names(project, library, named):
    full = library.commits["0.2.0"]
    named = {"short": full[:9], "full": full, "source": f"git+file://{library.folder}@v0.2.0"}.get(named, named)
    wanted = origin.target(named, origin.read(project), pin.read(project), project / "cache", project)

    assert wanted == VersionSource("git", f"file://{library.folder}", full)


def test_a_project_of_a_commit_after_the_newest_release_has_nothing_to_upgrade_to(project, library):
    whole = {**record(project), "version": "0.2.0", "commit": library.commits["0.2.0"]}
    (project / ".cruft.json").write_text(json.dumps(whole))
    edit(project, "pyproject.toml", library.commits["0.1.0"], library.commits["0.2.0"])
    wanted = origin.target("", origin.read(project), pin.read(project), project / "cache", project)

    assert wanted.ref == library.commits["0.2.0"]


def test_an_older_version_is_refused(project, library):
    Ran(project)
    commit(project)
    ran = Ran(project, to="0.1.0")

    assert isinstance(ran.error, RefusedError)
    assert "older" in ran.error.message


def test_a_repository_that_is_out_of_reach_is_said_with_exit_code_6(project, library):
    for name in (".cruft.json", "pyproject.toml"):
        edit(project, name, str(library.folder), "/nowhere/at/all")
    commit(project)

    assert isinstance(Ran(project).error, NotReadyError)


def test_a_project_that_moved_to_another_machine_takes_its_commit_from_the_pin(project):
    whole = record(project)
    (project / ".cruft.json").write_text(json.dumps({**whole, "template": "/of/another/machine"}))
    commit(project)

    assert Ran(project).error is None
    assert (project / "added.txt").exists()


def test_a_project_that_pins_stepladder_elsewhere_is_told_what_to_pin(project, library):
    edit(project, "pyproject.toml", '    "stepladder', '    # "stepladder')
    commit(project)
    ran = Ran(project)

    assert ran.error is None, ran.text
    assert f"should depend on `stepladder[local] @ git+file://{library.folder}@{library.commits['0.2.0']}`" in ran.text


def test_an_answer_that_the_new_version_does_not_take_is_named(project):
    edit(project, ".cruft.json", '"eu-west-1"', '"nowhere"')
    commit(project)
    ran = Ran(project)

    assert ran.error.kind == "bad-answers"
    assert "nowhere" in "".join(ran.error.problems)


def test_an_upgrade_that_was_killed_is_finished_by_the_next_one(project, monkeypatch):
    class KillError(BaseException):
        pass

    def killed(at, rows, real=apply._carry_out):
        real(at, rows[:2])
        raise KillError

    monkeypatch.setattr(apply, "_carry_out", killed)
    with pytest.raises(KillError):
        Ran(project)
    monkeypatch.undo()
    assert Ran(project, dry_run=True).error.kind == "upgrade-cut-off"
    ran = Ran(project)

    assert ran.error is None, ran.text
    assert "finished the upgrade that was cut off" in ran.text
    assert (project / "added.txt").exists()
    assert "RUN one && two" in (project / DOCKERFILE).read_text()


def test_a_remote_repository_gives_a_commit_by_its_id(library, tmp_path):
    url = f"file://{library.folder}"
    store = fetch.CommitStore(f"{url}/.git/", tmp_path / "cache")
    remote = fetch.CommitStore("file://localhost" + str(library.folder), tmp_path / "cache")

    assert remote.folder is None
    assert remote.commit_of("0.1.0") == store.commit_of("0.1.0") == library.commits["0.1.0"]
    assert remote.commit_of(library.commits["0.2.0"][:8]) == library.commits["0.2.0"]
    fresh = fetch.CommitStore("file://localhost" + str(library.folder), tmp_path / "fresh")
    at = fresh.holding(library.commits["0.1.0"])
    done = subprocess.run(["git", "cat-file", "-t", library.commits["0.1.0"]], cwd=at, capture_output=True, check=True)
    assert done.stdout == b"commit\n"

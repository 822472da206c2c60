"""A release of stepladder: every place names one version, what is unreleased becomes its own, and a tag is checked."""

import io
import re
import shutil
from pathlib import Path

import pytest
import yaml
from library_versions import git

import release
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.upgrade import notes as upgrade_notes

ROOT = Path(__file__).resolve().parents[2]
PLACES = (
    *("CHANGELOG.md", "pyproject.toml", "uv.lock"),
    *("stepladder/__init__.py", "template/upgrade.yaml", "tests/support/released.py"),
)
NEXT = "99.1.0"


@pytest.fixture
def checkout(tmp_path):
    for name in PLACES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    if "## Unreleased\n\n## v" in (tmp_path / "CHANGELOG.md").read_text():
        edit(tmp_path, "CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n* Something new.\n")
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def edit(checkout, name, old, new):
    text = (checkout / name).read_text()
    assert old in text
    (checkout / name).write_text(text.replace(old, new, 1))


def commit(checkout):
    git(checkout, "add", "-A")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "a change")


def said(act, *arguments, **options):
    out = io.StringIO()
    act(*arguments[:1], Console(err=out, out=out, live=False), *arguments[1:], **options)
    return out.getvalue()


def problems(checkout, tag=""):
    with pytest.raises(RefusedError) as refused:
        said(release.check, checkout, tag)
    return "\n".join(refused.value.problems)


def test_the_places_of_this_checkout_agree():
    assert "every place agrees" in said(release.check, ROOT)


def test_a_release_is_prepared_committed_tagged_and_checked(checkout):
    before = {name: (checkout / name).read_text() for name in PLACES}
    assert "would change CHANGELOG.md" in said(release.prepare, checkout, NEXT, "2099-01-02", dry_run=True)
    assert {name: (checkout / name).read_text() for name in PLACES} == before

    said(release.prepare, checkout, NEXT, "2099-01-02")

    assert f'__version__ = "{NEXT}"' in (checkout / "stepladder/__init__.py").read_text()
    assert f"## Unreleased\n\n## v{NEXT} (2099-01-02)\n" in (checkout / "CHANGELOG.md").read_text()
    assert "unreleased" not in yaml.safe_load((checkout / "template/upgrade.yaml").read_text())
    newest = re.findall(r"^## v([\d.]+)", before["CHANGELOG.md"], re.MULTILINE)[0]
    if f'"{newest}"' not in before["tests/support/released.py"]:
        assert newest in problems(checkout)
        edit(checkout, "tests/support/released.py", "COMMITS = {", f'COMMITS = {{"{newest}": "{"0" * 40}", ')
    commit(checkout)
    git(checkout, "tag", f"v{NEXT}")
    assert f"v{NEXT} is on this commit" in said(release.check, checkout, f"v{NEXT}")
    assert said(release.notes, checkout, f"v{NEXT}").startswith(("* ", "### "))

    commit(checkout)
    assert "isn't on this commit" in problems(checkout, f"v{NEXT}")


@pytest.mark.parametrize("name", ["pyproject.toml", "stepladder/__init__.py", "uv.lock"])
def test_a_place_that_names_another_version_is_reported(checkout, name):
    said(release.prepare, checkout, NEXT, "2099-01-02")
    edit(checkout, name, NEXT, "99.0.0")

    assert "99.0.0" in problems(checkout)


def test_a_tag_on_unreleased_changes_is_reported(checkout):
    version = re.search(r'__version__ = "(.+)"', (checkout / "stepladder/__init__.py").read_text())[1]
    git(checkout, "tag", f"v{version}")

    assert "CHANGELOG.md has unreleased changes" in problems(checkout, f"v{version}")
    assert f"the tag v9.9.9 isn't v{version}" in problems(checkout, "v9.9.9")
    (checkout / "new.txt").write_text("x")
    assert "files differ from the commit" in problems(checkout, f"v{version}")


@pytest.mark.parametrize("version", ["0.1.0", "0.0.9", "v99.0.0", "99", "later", ""])
def test_what_is_no_next_version_is_refused(checkout, version):
    with pytest.raises(BadInputError):
        said(release.prepare, checkout, version, "2099-01-02")


def test_a_version_without_changes_is_refused(checkout):
    said(release.prepare, checkout, NEXT, "2099-01-02")

    with pytest.raises(BadInputError, match="nothing unreleased"):
        said(release.prepare, checkout, "99.2.0", "2099-01-03")


def test_notes_of_an_unknown_version_are_refused(checkout):
    with pytest.raises(BadInputError, match="no section of"):
        said(release.notes, checkout, "9.9.9")


def test_nobody_publishes_from_a_machine_of_their_own(checkout, monkeypatch):
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL", raising=False)

    with pytest.raises(NotReadyError, match="workflow"):
        said(release.publish, checkout)


def test_the_jobs_publish_and_announce_what_was_built(checkout, monkeypatch, tmp_path):
    """The index and the forge are stand-ins that write down how they were called."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("uv", "gh"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/calls"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setattr(release, "tool", lambda name: str(programs / name))
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "https://token.example")
    (checkout / "dist").mkdir()
    (checkout / "dist/stepladder-1.tar.gz").touch()
    said(release.publish, checkout)
    said(release.announce, checkout, "v0.1.0")

    published, announced = (tmp_path / "calls").read_text().splitlines()
    assert published.startswith("uv publish --trusted-publishing always")
    assert announced.startswith("gh release create v0.1.0 --verify-tag")
    assert "stepladder-1.tar.gz" in announced
    assert "inv new" in (checkout / "dist/notes.md").read_text()


def test_a_program_that_fails_ends_the_release_with_its_words(checkout):
    with pytest.raises(StepladderError, match="git nonsense failed"):
        release.Checkout(checkout).run("git", "nonsense")


def test_each_job_of_the_workflow_calls_one_command_with_pinned_actions():
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]

    commands = [step["run"] for step in steps if "run" in step]
    assert [command for command in commands if not re.search(r"\.ci/run|\.venv/bin/invoke release\.\w+", command)] == []
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"]) for step in steps if "uses" in step)
    assert [job for job in jobs if jobs[job]["permissions"].get("id-token")] == ["build", "publish"]


def test_every_released_version_is_upgraded_from():
    """A section of the changelog is a release; all but the present one name their commit."""
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## v([\d.]+)", text, re.MULTILINE)
    known = (ROOT / "tests/support/released.py").read_text()

    assert versions
    assert [version for version in versions[1:] if f'"{version}"' not in known] == []


def test_the_notes_of_an_upgrade_have_every_version_and_nothing_else():
    declared = yaml.safe_load((ROOT / "template/upgrade.yaml").read_text())
    versions = re.findall(r"^## v([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert set(declared) - {"unreleased"} == set(versions) - {"0.1.0"}, "0.1.0 is what the first upgrade begins from"
    for notes in declared.values():
        assert set(notes) == set(upgrade_notes.PARTS)
        assert all(isinstance(line, str) for lines in notes.values() for line in lines)


def test_uv_is_the_one_beside_this_python_and_needs_no_place_on_path(monkeypatch):
    """A CI job calls `.venv/bin/invoke` and has no uv on PATH."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    assert release.Checkout(ROOT).run(release.tool("uv"), "--version").startswith("uv ")
    assert '"uv", ' not in (ROOT / "release.py").read_text(), "no program is called by that name alone"

"""`inv lock` with a cooldown and an audit: the real uv, an index with times of upload, a stand-in of OSV's database."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from package_index import PackageIndex

from stepladder.commands import lock
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, ExitCode, NotReadyError, StepladderError
from stepladder.settings.load import load

NOW = datetime.now(UTC)


def days_ago(days: float) -> str:
    return (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Project:
    """A project whose packages come from an index of its own, and what `inv lock` says."""

    def __init__(self, root: Path, index: PackageIndex) -> None:
        self.root, self.index = root, index
        self.file = root / "function/requirements.txt"
        self.file.parent.mkdir()

    def run(
        self, wanted: str = "", *, check: bool = False, as_json: bool = False, upgrade: bool = False, **section: Any
    ) -> str:
        if wanted:
            (self.root / "function/requirements.in").write_text(wanted)
        raw = {
            "project": "demo",
            "rungs": ["staging"],
            "environments": {"staging": {"account": "123456789012", "region": "us-east-1"}},
            "supply_chain": {"audit_url": self.index.url, **section},
        }
        self.out, err = io.StringIO(), io.StringIO()
        self.err = err
        console = Console(out=self.out, err=err, live=False, as_json=as_json)
        lock.run(load(raw, self.root), console, upgrade=upgrade, check=check)
        return err.getvalue()

    @property
    def locked(self) -> dict[str, str]:
        lines = [line.partition(" ")[0] for line in self.file.read_text().splitlines() if "==" in line]
        return dict(line.split("==") for line in lines)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with PackageIndex() as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.url}/simple")
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.delenv("UV_FIND_LINKS", raising=False)
        yield Project(tmp_path, index)


def test_a_version_that_is_younger_than_the_cooldown_is_left_alone(project: Project) -> None:
    project.index.add("sl-dep", "1.0", days_ago(30))
    project.index.add("sl-dep", "2.0", days_ago(2))
    text = project.run("sl-dep\n", cooldown_days=7)
    assert project.locked == {"sl-dep": "1.0"}
    assert "# from" not in project.file.read_text()
    assert "doesn't hold" not in text
    project.run(upgrade=True)
    assert project.locked == {"sl-dep": "2.0"}, "without the setting the newest is taken"
    assert "sl-dep 2.0 -> 1.0: the cooldown of 7 days" in project.run(cooldown_days=7), (
        "a version that went back is named"
    )


def test_a_package_that_is_excepted_is_taken_at_once_by_any_spelling_of_its_name(project: Project) -> None:
    project.index.add("sl-dep", "1.0", days_ago(30))
    project.index.add("sl-dep", "2.0", days_ago(0.1))
    project.run("sl-dep\n", cooldown_days=7, cooldown_exceptions=["SL_Dep"])
    assert project.locked == {"sl-dep": "2.0"}


def test_an_index_without_times_of_upload_is_named_and_its_packages_are_taken_without_a_cooldown(
    project: Project,
) -> None:
    project.index.add("sl-dep", "1.0", "")
    project.index.add("sl-dep", "2.0", "", "sl-other")
    project.index.add("sl-other", "1.0", "")
    project.index.add("sl-dated", "1.0", days_ago(30))
    project.index.add("sl-dated", "2.0", days_ago(1))
    text = project.run("sl-dep\nsl-dated\n", cooldown_days=7)
    assert project.locked == {"sl-dep": "2.0", "sl-other": "1.0", "sl-dated": "1.0"}
    assert "the cooldown of 7 days doesn't hold for sl-dep, sl-other: the index gives no times of upload" in text


def test_packages_out_of_a_folder_are_named_too(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.index.add("sl-dep", "2.0", "")
    (tmp_path / "wheels").mkdir()
    for name, data in project.index.files.items():
        (tmp_path / "wheels" / name).write_bytes(data)
    project.index.files.clear()
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    text = project.run("sl-dep\n", cooldown_days=7)
    assert "the cooldown of 7 days doesn't hold for sl-dep, from a folder of packages" in text


def test_where_nothing_is_old_enough_the_lock_stays_and_the_way_out_is_named(project: Project) -> None:
    project.index.add("sl-dep", "1.0", days_ago(30))
    project.index.add("sl-dep", "2.0", days_ago(1))
    project.run("sl-dep\n", cooldown_days=7)
    before = project.file.read_bytes()
    with pytest.raises(
        BadInputError, match="no version of sl-dep that is asked for has been on its index for 7 days"
    ) as e:
        project.run("sl-dep>=2\n", cooldown_days=7)
    assert "cooldown_exceptions" in e.value.hint
    assert project.file.read_bytes() == before


def test_a_known_vulnerability_is_named_with_the_version_that_fixes_it_and_stops_no_lock(project: Project) -> None:
    project.index.add("sl-dep", "1.0", days_ago(30))
    project.index.know("GHSA-aaaa-bbbb-cccc", "sl-dep", "1.0", "1.1", "CVE-2026-1")
    text = project.run("sl-dep\n")
    assert project.locked == {"sl-dep": "1.0"}
    assert "sl-dep 1.0: GHSA-aaaa-bbbb-cccc (CVE-2026-1) It leaks; fixed in 1.1" in text
    assert "1 known vulnerability in 1 packages" in text


def test_the_check_of_a_lock_changes_nothing_and_exits_1_for_a_vulnerability(project: Project) -> None:
    project.index.add("sl-dep", "1.0", days_ago(30))
    project.run("sl-dep\n")
    before = project.file.read_bytes()
    assert "no known vulnerability in 1 packages" in project.run(check=True)
    project.index.know("GHSA-aaaa-bbbb-cccc", "sl-dep", "1.0", "1.1", "CVE-2026-1")
    with pytest.raises(StepladderError, match="1 known vulnerability in what is locked") as error:
        project.run(check=True, as_json=True)
    assert (error.value.exit_code, error.value.kind) == (ExitCode.FAILED, "vulnerable-packages")
    (record,) = error.value.record["locks"]  # type: ignore[misc]
    assert (record["audit"], record["vulnerabilities"][0]["fixed"]) == ("vulnerable", ["1.1"])
    assert project.file.read_bytes() == before


def test_what_is_ignored_with_a_reason_counts_again_after_its_day(project: Project) -> None:
    project.index.add("sl-dep", "1.0", days_ago(30))
    project.index.know("GHSA-aaaa-bbbb-cccc", "sl-dep", "1.0", "1.1", "CVE-2026-1")
    project.run("sl-dep\n")
    today = NOW.date()
    ignored = {"CVE-2026-1": {"reason": "never reached", "until": str(today + timedelta(days=1))}}
    text = project.run(check=True, ignored_vulnerabilities=ignored)
    assert "CVE-2026-1 is ignored: never reached (until " in text
    ignored["CVE-2026-1"]["until"] = str(today - timedelta(days=1))
    with pytest.raises(StepladderError):
        project.run(check=True, ignored_vulnerabilities=ignored)
    assert "CVE-2026-1 is ignored no more: never reached" in project.err.getvalue()


def test_a_package_that_its_index_keeps_back_is_a_finding(project: Project) -> None:
    project.index.add("sl-dep", "1.0", days_ago(30))
    project.run("sl-dep\n")
    project.index.statuses["sl-dep"] = "quarantined"
    with pytest.raises(StepladderError) as error:
        project.run(check=True)
    assert error.value.problems == ("sl-dep: its index keeps it back as quarantined",)


def test_a_database_that_cannot_be_asked_is_unknown_and_no_pass(project: Project) -> None:
    project.index.add("sl-dep", "1.0", days_ago(30))
    project.run("sl-dep\n", audit=False)
    with pytest.raises(NotReadyError) as error:
        project.run(check=True, as_json=True, audit_url="http://127.0.0.1:9")
    printed = project.err.getvalue()
    assert "whether the packages of function/ have known vulnerabilities is unknown: " in printed
    assert "the vulnerability database can't be reached: " in printed
    assert (int(error.value.exit_code), error.value.kind) == (6, "audit-unknown")
    (record,) = error.value.record["locks"]  # type: ignore[misc]
    assert (record["audit"], record["vulnerabilities"]) == ("unknown", [])


def test_nobody_is_asked_when_the_audit_is_off(project: Project) -> None:
    project.index.add("sl-dep", "1.0", days_ago(30))
    project.run("sl-dep\n", audit=False)
    project.run(check=True, as_json=True, audit=False)
    assert json.loads(project.out.getvalue())["locks"][0]["audit"] == "off"
    assert not [path for path in project.index.requested if "==" in path]


def test_every_version_of_a_package_is_asked_about_and_what_is_on_no_index_is_said(project: Project) -> None:
    one = "sl-dep==1.0 ; sys_platform == 'linux' \\\n    --hash=sha256:" + "1" * 64
    two = "sl-dep==2.0 ; sys_platform != 'linux' \\\n    --hash=sha256:" + "2" * 64
    wheel = "sl-own @ https://example.com/sl_own-1.0-py3-none-any.whl \\\n    --hash=sha256:" + "3" * 64
    project.file.write_text(f"{one}\n{two}\n{wheel}\n")
    project.index.add("sl-dep", "1.0", days_ago(3))
    text = project.run(check=True)
    assert {each for each in project.index.requested if "==" in each} == {"sl-dep==1.0", "sl-dep==2.0"}
    assert "not asked about, since no index has them: sl-own" in text


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "function/ has no requirements.txt"),
        ({"requirements.in": "sl-dep\n"}, "function/requirements.in isn't locked"),
        ({"poetry.lock": ""}, "function/ has poetry.lock and no requirements.txt"),
    ],
    ids=["nothing", "not locked yet", "a lock of Poetry"],
)
def test_a_project_without_a_lock_is_bad_input_with_the_command(
    project: Project, files: dict[str, str], message: str
) -> None:
    for name, text in files.items():
        (project.file.parent / name).write_text(text)
    with pytest.raises(BadInputError, match=message) as error:
        project.run(check=True)
    assert "inv lock" in error.value.hint


def test_a_lock_that_lacks_what_is_asked_for_is_refused_before_anybody_is_asked(project: Project) -> None:
    project.file.write_text("")
    (project.file.parent / "requirements.in").write_text("sl-dep\n")
    with pytest.raises(BadInputError):
        project.run(check=True)
    assert project.index.requested == []


def test_flags_that_contradict_each_other_are_refused(project: Project) -> None:
    for flags in ({"check": True, "upgrade": True}, {"as_json": True}):
        with pytest.raises(BadInputError):
            project.run("sl-dep\n", **flags)

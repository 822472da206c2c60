"""`inv lock`: what it writes, and what it refuses to write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stepladder.commands import lock
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError
from stepladder.images.requirements import lock as locks
from stepladder.settings.load import Settings, load


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project whose package index is a folder with two versions of one pure package, one with extras."""
    wheels = tmp_path / "wheels"
    _wheel(wheels, "My_Dep", "1.0")
    _wheel(wheels, "My_Dep", "2.0", extra="more")
    _wheel(wheels, "sl_other", "1.0")
    _wheel(wheels, "windows_only", "1.0", tags="cp313-cp313-win_amd64")
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("UV_DEFAULT_INDEX", (tmp_path / "index").as_uri())
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    (tmp_path / "function").mkdir()
    raw = {"project": "demo", "environments": {"staging": {"account": "123456789012", "region": "us-east-1"}}}
    return load({**raw, "rungs": ["staging"], "supply_chain": {"audit": False}}, tmp_path)


def _wheel(folder: Path, name: str, version: str, *, tags: str = "py3-none-any", extra: str = "") -> None:
    import zipfile

    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    provides = f"Provides-Extra: {extra}\nRequires-Dist: sl_other; extra == '{extra}'\n" if extra else ""
    with zipfile.ZipFile(folder / f"{name}-{version}-{tags}.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{provides}")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n")
        archive.writestr(f"{info}/RECORD", "")


def write(project: Settings, asked: str, *, upgrade: bool = False) -> str:
    (project.root / "function/requirements.in").write_text(asked)
    lock.write(project, Console(), upgrade=upgrade)
    return (project.root / "function/requirements.txt").read_text()


def test_what_is_locked_agrees_with_what_is_asked_for(project: Settings) -> None:
    assert "my-dep==1.0 \\\n    --hash=sha256:" in write(project, "My.Dep<2\n")
    locks.check(project)
    assert "my-dep==1.0" in write(project, "My.Dep\n"), "a version stays while it may"
    assert "my-dep==2.0" in write(project, "My.Dep\n", upgrade=True)
    assert [path.name for path in (project.root / "function").iterdir() if path.name.startswith(".")] == []


def test_each_functions_own_packages_are_locked(project: Settings) -> None:
    for folder, wanted in (("function", "My.Dep<2\n"), ("functions/mailer", "My.Dep\n"), ("functions/bare", "")):
        (project.root / folder).mkdir(parents=True, exist_ok=True)
        if wanted:
            (project.root / folder / "requirements.in").write_text(wanted)
    own = {name: {"image": {"context": f"functions/{name}"}} for name in ("mailer", "bare")}
    at = {"account": "123456789012", "region": "us-east-1"}
    raw = {"project": "demo", "environments": {"staging": at}, "rungs": ["staging"], "functions": own}
    lock.write_all(load(raw, project.root), Console(), upgrade=False)
    assert "my-dep==1.0" in (project.root / "function/requirements.txt").read_text()
    assert "my-dep==2.0" in (project.root / "functions/mailer/requirements.txt").read_text()
    assert not (project.root / "functions/bare/requirements.txt").exists()
    with pytest.raises(BadInputError, match=r"no functions/bare/requirements\.in"):
        lock.write_all(load(raw, project.root), Console(), "bare", upgrade=False)


def test_an_extra_that_was_added_is_missed_until_it_is_locked(project: Settings) -> None:
    write(project, "My.Dep\n")
    (project.root / "function/requirements.in").write_text("My.Dep[more]\n")
    with pytest.raises(BadInputError) as caught:
        locks.check(project)
    assert "locked without more" in caught.value.problems[0]
    assert "sl-other==1.0" in write(project, "My.Dep[more]\n")
    locks.check(project)


@pytest.mark.parametrize("reference", ["my_dep @ {url}", "./wheels/{name}"])
def test_a_wheel_by_url_or_path_is_locked_with_its_hash(project: Settings, reference: str) -> None:
    file = project.root / "function/wheels/My_Dep-1.0-py3-none-any.whl"
    file.parent.mkdir()
    file.write_bytes((project.root / "wheels" / file.name).read_bytes())
    locked = write(project, reference.format(url=file.as_uri(), name=file.name))
    assert locked.count("--hash=sha256:") == 1
    locks.check(project)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("-e ../lib\n", "requirements.in:1: -e ../lib: an editable has no hash"),
        ("../lib\n", "requirements.in:1: ../lib: it is no wheel"),
        ("lib @ git+https://example.org/lib\n", "a repository has no hash"),
        ("Windows.Only\n", "Windows.Only==1.0 has no wheel for Python 3.13 on aarch64"),
        ("My.Dep==9\n", "the package index has no My.Dep==9"),
        ("Sl.Nowhere\n", "the package index has no Sl.Nowhere"),
        ("My.Dep = 1\n", "requirements.in:1: My.Dep = 1 is no requirement"),
        ("--speed 3\n", "requirements.in:1: --speed 3"),
        ("My.Dep>1\nMy.Dep<2\n", "no versions fit all that is asked for"),
        ("./gone-1.0-py3-none-any.whl\n", "there is no wheel file://"),
        ("gone @ file:///gone-1.0-py3-none-any.whl\n", "there is no wheel file:///gone-1.0"),
        ("My.Dep==1.0 \\\n", "a requirement can't be read"),
        (f"My.Dep==1.0 --hash=sha256:{'0' * 64}\n", "requirements.in:1: My.Dep==1.0: the package index has files"),
    ],
)
def test_what_no_builder_could_take_is_refused_and_the_lock_stays(project: Settings, asked: str, said: str) -> None:
    before = write(project, "My.Dep\n")
    with pytest.raises(BadInputError) as caught:
        write(project, asked)
    assert said in json.dumps([caught.value.message, *caught.value.problems])
    assert (project.root / "function/requirements.txt").read_text() == before


def test_without_a_requirements_in_it_is_asked_for(project: Settings) -> None:
    with pytest.raises(BadInputError, match=r"there is no function/requirements\.in"):
        lock.write(project, Console(), upgrade=False)

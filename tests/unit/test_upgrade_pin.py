"""Which stepladder a project depends on, in every form that pip and uv take, and how another version is named so."""

import pytest

from stepladder.upgrade import pin
from stepladder.upgrade.pin import VersionSource

COMMIT = "a" * 40
FORMS = {
    "stepladder[local]==0.1.0": VersionSource("index", ref="0.1.0"),
    "stepladder==0.1.0": VersionSource("index", ref="0.1.0"),
    "stepladder[local,login]>=0.1": VersionSource("index"),
    "stepladder": VersionSource("index"),
    f"stepladder[local] @ git+https://h/o/stepladder@{COMMIT}": VersionSource("git", "https://h/o/stepladder", COMMIT),
    "stepladder @ git+ssh://git@h/o/stepladder.git@v0.1.0": VersionSource(
        "git", "ssh://git@h/o/stepladder.git", "v0.1.0"
    ),
    "stepladder @ git+ssh://git@h/o/stepladder.git": VersionSource("git", "ssh://git@h/o/stepladder.git"),
    "stepladder[local] @ file:///a/check%20out": VersionSource("folder", "/a/check out"),
    "stepladder @ file:///a/stepladder-0.1.0-py3-none-any.whl": VersionSource(
        "archive", "file:///a/stepladder-0.1.0-py3-none-any.whl"
    ),
    "stepladder @ https://h/stepladder.zip": VersionSource("archive", "https://h/stepladder.zip"),
    "stepladder==0.1.0 ; sys_platform == 'linux'": VersionSource("index", ref="0.1.0"),
}


@pytest.mark.parametrize("text", FORMS)
def test_a_requirement_says_where_its_version_is(text):
    assert pin.parse(text).source == FORMS[text]


@pytest.mark.parametrize("text", ["pytest>=8", "stepladder-extras==1", "stepladderx", "", "[local]", "-e ."])
def test_another_requirement_is_none_of_stepladder(text):
    assert pin.parse(text) is None


@pytest.mark.parametrize(
    ("text", "source", "expected"),
    [
        ("stepladder[local]==0.1.0", VersionSource("index", ref="0.2.0"), "stepladder[local]==0.2.0"),
        ("stepladder[local]>=0.1", VersionSource("index", ref="0.2.0"), "stepladder[local]>=0.1"),
        ("stepladder[local]<0.2", VersionSource("index", ref="0.2.0"), "stepladder[local]==0.2.0"),
        ("stepladder==0.1.0 ; a", VersionSource("index", ref="0.2.0"), "stepladder==0.2.0 ; a"),
        ("stepladder==0.1.0", VersionSource("git", "https://h/s", COMMIT), f"stepladder @ git+https://h/s@{COMMIT}"),
        ("stepladder[x]==0.1.0", VersionSource("folder", "/a b"), "stepladder[x] @ file:///a%20b"),
    ],
)
def test_another_version_is_named_in_the_same_way(text, source, expected):
    assert pin.parse(text).of(source) == expected


@pytest.mark.parametrize(
    ("content", "source"),
    [
        ('[dependency-groups]\ndev = ["pytest", "stepladder==0.1.0"]', VersionSource("index", ref="0.1.0")),
        ('[project]\ndependencies = ["stepladder==0.1.0"]', VersionSource("index", ref="0.1.0")),
        ('[project.optional-dependencies]\nx = ["stepladder==0.1.0"]', VersionSource("index", ref="0.1.0")),
        ("[dependency-groups]\ndev = [{include-group = 'x'}]", None),
        ("not toml", None),
        ('[dependency-groups]\ndev = "stepladder"', None),
        ("project = 1\ndependency-groups = []", None),
    ],
)
def test_the_requirement_stands_anywhere_in_pyproject(tmp_path, content, source):
    (tmp_path / "pyproject.toml").write_text(content)
    found = pin.read(tmp_path)

    assert (found.source if found else None) == source


@pytest.mark.parametrize(
    ("table", "source"),
    [
        ('{git = "https://h/s", rev = "abc"}', VersionSource("git", "https://h/s", "abc")),
        ('{git = "https://h/s", tag = "v1"}', VersionSource("git", "https://h/s", "v1")),
        ('{url = "https://h/s.whl"}', VersionSource("archive", "https://h/s.whl")),
    ],
)
def test_what_uv_sources_name_is_the_source_and_is_left_to_the_person(tmp_path, table, source):
    text = f'[dependency-groups]\ndev = ["stepladder[local]"]\n[tool.uv.sources]\nstepladder = {table}\n'
    (tmp_path / "pyproject.toml").write_text(text)
    read = pin.read(tmp_path)

    assert (read.source, read.by_hand) == (source, True)


def test_a_project_without_pyproject_has_no_requirement(tmp_path):
    assert pin.read(tmp_path) is None


def test_a_password_in_a_pin_goes_into_no_record_and_no_message():
    read = pin.parse("stepladder @ git+https://user:secret@h/o/stepladder@v1")

    assert read.source.shown == "https://h/o/stepladder"
    assert "secret" not in str(read.source)
    assert pin.without_credentials("ssh://git@h/o/s") == "ssh://git@h/o/s"
    assert "user:secret@" in read.of(read.source), "the pin stays as the person wrote it"

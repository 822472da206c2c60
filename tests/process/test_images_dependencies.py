"""The dependency layer: locked wheels for the target, and nothing of the machine that installed them."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from fakes import image_project as project

from stepladder.core.errors import BadInputError
from stepladder.images.requirements import dependencies
from stepladder.images.requirements.dependencies import Dependencies, WheelTarget

X86 = WheelTarget("3.13", "x86_64-manylinux_2_34")
ARM = WheelTarget("3.13", "aarch64-manylinux_2_34")


def install(tmp_path: Path, *lines: str, target: WheelTarget = X86) -> Dependencies | None:
    path = tmp_path / "requirements.txt"
    path.write_text(project.requirements(tmp_path / "wheels", *lines) if lines else "# nothing\n")
    return dependencies.build(path, target, tmp_path / "cache")


def read(made: Dependencies | None) -> dict[str, bytes]:
    assert made
    with tarfile.open(made.layers[0].path) as tar:
        files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
        return {name: file.read() for name, file in files.items() if file}


def test_no_requirements_make_no_layer(tmp_path: Path) -> None:
    assert install(tmp_path) is None
    assert dependencies.build(tmp_path / "absent.txt", X86, tmp_path / "cache") is None


def test_what_depends_on_the_installing_machine_is_left_out(tmp_path: Path) -> None:
    found = read(install(tmp_path, project.wheel(tmp_path / "wheels", "dep", scripts=True)))
    info = "var/task/dep-1.0.dist-info/"
    assert sorted(found) == [
        f"{info}METADATA",
        f"{info}RECORD",
        f"{info}WHEEL",
        f"{info}entry_points.txt",
        "var/task/dep/__init__.py",
    ]
    record = found[f"{info}RECORD"].decode()
    assert "INSTALLER" not in record
    assert "bin/" not in record
    assert "dep/__init__.py" in record


def test_wheels_are_those_of_the_functions_platform_whatever_this_machine_is(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    x86 = project.wheel(wheels, "native", tags="cp313-cp313-manylinux_2_17_x86_64")
    arm = project.wheel(wheels, "native", tags="cp313-cp313-manylinux_2_17_aarch64")
    line = f"{x86.strip()} {arm.split(' ', 1)[1]}"
    for target, tag in ((X86, b"x86_64"), (ARM, b"aarch64")):
        found = read(install(tmp_path, line, target=target))
        assert tag in found["var/task/native-1.0.dist-info/WHEEL"]


def test_a_dependency_without_a_wheel_is_named_with_what_to_do(tmp_path: Path) -> None:
    fine = project.wheel(tmp_path / "wheels", "fine")
    line = project.wheel(tmp_path / "wheels", "windows_only", tags="cp313-cp313-win_amd64")
    line = line.replace("windows_only", "Windows.Only")
    with pytest.raises(BadInputError, match=r"^Windows\.Only==1\.0 has no wheel for Python 3\.13 on x86_64") as caught:
        install(tmp_path, fine, line)
    assert "image.builder` to docker" in caught.value.hint


def test_requirements_without_hashes_are_refused_with_the_command_that_locks_them(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="not locked by hashes") as caught:
        install(tmp_path, "requests==2.0\n", "boto3>=1\n")
    assert "`inv lock`" in caught.value.hint
    assert [problem.partition("requirements.txt")[2] for problem in caught.value.problems] == [
        ":3: requests==2.0: it has no hash",
        ":4: boto3>=1: it names no version",
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("-e ../lib", "an editable has no hash"),
        ("lib @ git+https://example.org/lib", "a repository has no hash"),
        ("../lib", "it is no wheel"),
        ("lib @ https://example.org/lib-1.tar.gz --hash=sha256:00", "it is no wheel"),
        ("lib @ https://example.org/lib-1-py3-none-any.whl", "it has no hash"),
        ("lib==1.* --hash=sha256:00", "it names no version"),
        ("lib==1 --hash=sha256:00", "sha256:00 is no hash"),
        ("--speed 3", "--speed 3"),
    ],
)
def test_what_no_hash_can_make_certain_is_refused_with_its_line(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(BadInputError, match="not locked by hashes") as caught:
        install(tmp_path, line)
    assert why in caught.value.problems[0]
    assert "requirements.txt:3: " in caught.value.problems[0]


@pytest.mark.parametrize("form", ["dep @ {url}", "./wheels/{file}", "{url}"])
def test_a_wheel_by_its_url_or_path_is_taken_with_its_hash(tmp_path: Path, form: str) -> None:
    line = project.wheel(tmp_path / "wheels", "dep")
    (file,) = (tmp_path / "wheels").iterdir()
    reference = form.format(url=file.as_uri(), file=file.name)
    found = read(install(tmp_path, f"{reference} {line.split(' ', 1)[1]}"))
    assert "var/task/dep/__init__.py" in found
    assert "direct_url" not in str(found.keys())
    with pytest.raises(BadInputError, match="none of the hashes"):
        install(tmp_path, f"{reference} --hash=sha256:{'0' * 64}")


@pytest.mark.parametrize("options", ["--require-hashes", "--trusted-host example.org\n--pre", "--prefer-binary"])
def test_the_options_of_pip_are_taken(tmp_path: Path, options: str) -> None:
    assert install(tmp_path, f"{options}\n", project.wheel(tmp_path / "wheels", "dep"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_lock_may_announce_its_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "requirements.txt"
    content = project.requirements(tmp_path / "wheels", "# zażółć\n", project.wheel(tmp_path / "wheels", "dep"))
    path.write_text(content.replace("\n", "\r\n"), encoding=encoding, newline="")
    assert dependencies.build(path, X86, tmp_path / "cache")


def test_a_lock_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_bytes(b"\n# caf\xe9\n")
    with pytest.raises(BadInputError, match=r"requirements\.txt:2: byte 0xE9"):
        dependencies.build(path, X86, tmp_path / "cache")


def test_a_wheel_with_another_hash_is_refused_in_the_spelling_of_the_lock(tmp_path: Path) -> None:
    line = project.wheel(tmp_path / "wheels", "my_dep").replace("my_dep", "My.Dep")
    with pytest.raises(BadInputError, match=r"^the file of My\.Dep==1\.0 has none of the hashes") as caught:
        install(tmp_path, line[:-9] + "00000000\n")
    assert "`inv lock`" in caught.value.hint


def test_the_layer_comes_from_the_cache_until_lock_file_or_target_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    real = dependencies.process.run

    def counted(argv: list[str], **options: object) -> object:
        ran.append(argv)
        return real(argv, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(dependencies.process, "run", counted)
    line = project.wheel(tmp_path / "wheels", "dep")
    first, second = install(tmp_path, line), install(tmp_path, line)
    assert first == second
    assert len(ran) == 1
    install(tmp_path, line, target=ARM)
    assert len(ran) == 2
    install(tmp_path, line, project.wheel(tmp_path / "wheels", "more"))
    assert len(ran) == 3


def test_a_cached_layer_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    line = project.wheel(tmp_path / "wheels", "dep")
    first = install(tmp_path, line)
    assert first
    first.layers[0].path.write_bytes(b"short")
    assert install(tmp_path, line) == first
    assert first.layers[0].path.stat().st_size == first.layers[0].size


def test_lambdas_own_platform_follows_amazon_linux() -> None:
    assert WheelTarget.of_lambda("3.11", "arm64").platform == "aarch64-manylinux_2_17"
    assert WheelTarget.of_lambda("3.13", "x86_64").platform == "x86_64-manylinux_2_34"

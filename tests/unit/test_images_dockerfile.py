"""The Dockerfile as the layers builder reads it; tests/docker/corpus compares what comes out with the engine's."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from stepladder.core.errors import BadInputError
from stepladder.images.base import files as base_files
from stepladder.images.base.files import BaseEntry, BaseFiles
from stepladder.images.context.files import collect
from stepladder.images.dockerfile.read import Recipe, outline, read
from stepladder.images.dockerfile.sources import BuildContext
from stepladder.images.dockerfile.stage import Ground
from stepladder.images.dockerfile.tree import Install

BASE = "public.ecr.aws/lambda/python:3.13"
FROM = f"FROM {BASE}\n"
SITE = "var/lang/lib/python3.13/site-packages"
CONFIG = {
    "Env": ["PATH=/var/lang/bin:/bin", "LD_LIBRARY_PATH=/var/lang/lib", "LAMBDA_TASK_ROOT=/var/task"],
    "Entrypoint": ["/lambda-entrypoint.sh"],
    "WorkingDir": "/var/task",
}
LOCKED = "six==1.17.0 --hash=sha256:" + "0" * 64 + "\n"


def folders(*paths: str) -> BaseFiles:
    return BaseFiles({path: BaseEntry("folder") for path in ("", "var", "var/task", "opt", SITE, *paths)}, dict, SITE)


def parse(
    tmp_path: Path, text: str, files: dict[str, str] | None = None, config: dict[str, Any] | None = None, **given: str
) -> Recipe:
    for name, content in {"app/handler.py": "", "requirements.txt": LOCKED, **(files or {})}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "Dockerfile").write_text(text)
    (tmp_path / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
    context = BuildContext(collect(tmp_path))
    ground = Ground(
        (BASE, "example.org/base:1"), config or CONFIG, folders(), context, "3.13", tmp_path, tmp_path / ".cache"
    )
    return read(tmp_path / "Dockerfile", given, ground)


def names(install: Install) -> list[str]:
    return [requirement.name for requirement in install.locked.pinned]


def refused(tmp_path: Path, text: str, files: dict[str, str] | None = None) -> str:
    with pytest.raises(BadInputError) as caught:
        parse(tmp_path, f'{FROM}{text}\nCMD ["a.b"]\n', files)
    return " ".join([str(caught.value), *caught.value.problems])


def test_the_last_stage_decides(tmp_path: Path) -> None:
    recipe = parse(
        tmp_path,
        "# syntax=docker/dockerfile:1\n"
        f"ARG BASE_IMAGE={BASE}\n"
        "FROM ${BASE_IMAGE} AS packages\n"
        "RUN anything at all\n"
        'CMD ["not.this"]\n'
        "FROM --platform=linux/arm64 ${BASE_IMAGE}\n"
        "ENV A=1 \\\n"
        "    # a comment between continued lines\n"
        '    B="two words"\n'
        "LABEL team=a\n"
        "COPY --chown=1:1 app ${LAMBDA_TASK_ROOT}/app/\n"
        "WORKDIR /var/task/sub\n"
        "COPY data.json .\n"
        'CMD ["app.handler.handler"]\n',
        {"data.json": "{}"},
        BASE_IMAGE="example.org/base:1",
    )
    assert (recipe.base, recipe.platform, recipe.handler) == (
        "example.org/base:1",
        "linux/arm64",
        "app.handler.handler",
    )
    assert {name: recipe.environment[name] for name in "AB"} == {"A": "1", "B": "two words"}
    assert recipe.labels == {"team": "a"}
    assert recipe.workdir == "/var/task/sub"
    assert {path: placed.entry.owner for path, placed in recipe.tree.placed.items()} == {
        "var/task/app": (1, 1),
        "var/task/app/handler.py": (1, 1),
        "var/task/sub": (0, 0),
        "var/task/sub/data.json": (0, 0),
    }


def test_a_stage_can_build_on_a_stage(tmp_path: Path) -> None:
    recipe = parse(tmp_path, f'{FROM[:-1]} AS base\nENV A=1\nCOPY app app\nFROM base\nCMD ["a.b"]\n')
    assert (recipe.base, recipe.environment["A"]) == (BASE, "1")
    assert "var/task/app/handler.py" in recipe.tree.placed


def test_an_argument_falls_back_to_its_default(tmp_path: Path) -> None:
    text = f'ARG NAME={BASE}\nFROM ${{NAME}}\nARG X=${{NONE:-d}}\nARG NAME\nENV Y=$X Z=$NAME\nCMD ["a.b"]\n'
    recipe = parse(tmp_path, text)
    assert (recipe.environment["Y"], recipe.environment["Z"]) == ("d", BASE)


def test_a_variable_of_the_base_goes_on(tmp_path: Path) -> None:
    recipe = parse(tmp_path, f'{FROM}ENV PATH="/x:$PATH" LD_LIBRARY_PATH=/y:$LD_LIBRARY_PATH\nCMD ["a.b"]\n')
    assert recipe.environment["PATH"] == "/x:/var/lang/bin:/bin"
    assert recipe.environment["LD_LIBRARY_PATH"] == "/y:/var/lang/lib"


@pytest.mark.parametrize(
    ("cmd", "said"),
    [
        ("", "no CMD"),
        ("CMD app.handler.handler", "not a list of one handler"),
        ('CMD ["python", "-m", "x"]', "not a list of one handler"),
        ('CMD ["handler"]', "not a handler"),
        ('CMD ["app handler"]', "not a handler"),
        ("CMD [app.handler]", "not a list of one handler"),
        ('CMD ["a.b"]\nFROM scratch', "no CMD"),
    ],
)
def test_a_handler_that_cannot_be_read_is_bad_input(tmp_path: Path, cmd: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said) as caught:
        parse(tmp_path, f"{FROM}COPY app /var/task/app\n{cmd}\n")
    assert "CMD [" in caught.value.hint or "module.function" in caught.value.hint


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("RUN dnf install -y gcc", "has to be run"),
        ("RUN pip install six", "besides a requirements file"),
        ("COPY requirements.txt .\nRUN pip install -r requirements.txt && curl -O x", "curl -O x has to be run"),
        ("COPY requirements.txt .\nRUN pip install -r requirements.txt; curl -O x", "curl -O x has to be run"),
        ("RUN pip install -r requirements.txt | tail", "the shell decides what | means"),
        ("RUN PIP_TARGET=/x pip install -r requirements.txt", "has to be run"),
        ("RUN ; true", "the shell decides what ; means here"),
        ("RUN true ;; true", "the shell decides what ; means here"),
        ("RUN true && ; true", "no complete command"),
        ("RUN true ; && true", "no complete command"),
        ("RUN pip install -r requirements.txt > log", "the shell decides what > means"),
        ("RUN pip install -r requirements.txt > /dev/nullx", "the shell decides what > means"),
        ("RUN mkdir -p 'x > /dev/null; y' &", "the shell decides what & means"),
        ("RUN pip install -Uer requirements.txt", "--editable r"),
        ("RUN pip install -r *.txt", "the shell decides what * means"),
        ("RUN pip install -r $(ls)", "the shell decides what $ means"),
        ("RUN pip install --user -r requirements.txt", "--user is not known"),
        (
            "COPY requirements.txt .\nRUN pip install -c x.txt -r requirements.txt",
            "no requirements file /var/task/x.txt there",
        ),
        ("RUN --mount=type=secret,id=x pip install -r requirements.txt", "needs BuildKit"),
        ("RUN uv pip install -r requirements.txt", "where uv comes from"),
        ("RUN pip install -r lost.txt", "no requirements file /var/task/lost.txt there"),
        ("USER nobody\nRUN mkdir -p x", "runs as the user nobody"),
        ("ENV PIP_TARGET=/x\nCOPY requirements.txt .\nRUN pip install -r requirements.txt", "PIP_TARGET changes"),
        ("ENV PATH=/x\nCOPY requirements.txt .\nRUN pip install -r requirements.txt", "PATH lacks"),
        ('ENTRYPOINT ["/bin/sh"]', "another entry point"),
        ("ENTRYPOINT /lambda-entrypoint.sh", "another entry point"),
        ("COPY --exclude=a app /var/task/", "--exclude=a is not known"),
        ("COPY --from=alpine /x /y", "another image"),
        ("COPY --chmod=a+r app /var/task/", "is no mode"),
        ("COPY --chmod=644 app /var/task/", "would shut the folders"),
        ("COPY --chown=ann app /var/task/", "base image only"),
        ("ADD https://example.org/x /x", "would be fetched"),
        ("ONBUILD RUN x", "ONBUILD is not known"),
        ("SHELL ['x']", "other than sh or bash"),
        ('SHELL ["/bin/zsh", "-c"]', "other than sh or bash"),
        ("EXPOSE 8002-8000", "no port"),
        ("VOLUME /x", "VOLUME is not known"),
        ("EXPOSE ssh", "no port"),
        ("STOPSIGNAL FOO", "FOO is no signal"),
        ("STOPSIGNAL 0", "0 is no signal"),
        ("HEALTHCHECK CMD true", "no health checks"),
    ],
)
def test_what_needs_an_engine_is_refused_with_its_line_and_the_reason(tmp_path: Path, line: str, why: str) -> None:
    said = refused(tmp_path, line)
    last = line.splitlines()[-1]
    assert "needs an engine" in said
    assert f"Dockerfile:{len(line.splitlines()) + 1}: {last[:40]}" in said
    assert why in said


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("LABEL maintainer=O'Brien", "single quote has no end"),
        ('ENV A="x', "double quote has no end"),
        ("ENV A=1 B", "B has no ="),
        ("ENV A", "needs a name and a value"),
        ("ENV A=${B", "can't follow"),
        ("ENV A=${B^^}", "can't follow"),
        ("ARG X='", "single quote has no end"),
        ("ARG TARGETARCH", "with BuildKit only"),
        ("WORKDIR $NOTHING", "needs a folder"),
        ("COPY app", "a source and a destination"),
        (f"FROM {BASE} AS 1st", "1st can't be the name of a stage"),
        (f"FROM {BASE} AS a/b", "a/b can't be the name of a stage"),
        (f"ENV A={'x' * 65530}", "a line of more than 65535 bytes"),
        ("COPPY app .", "no instruction COPPY"),
        ("RUN <<EOF\nfrom os import path\nEOF", "the here-document EOF needs BuildKit"),
        ("COPY <<-'E' /x\n\tFROM y\n\tE", "the here-document E needs BuildKit"),
        ("RUN cat <<EOF", "the here-document EOF has no end"),
    ],
)
def test_what_no_builder_reads_is_bad_input_that_names_the_line(tmp_path: Path, line: str, why: str) -> None:
    said = refused(tmp_path, line)
    assert "Dockerfile:2: " in said
    assert why in said


@pytest.mark.parametrize("run", ["pip install -c limits.txt -r requirements.txt", "pip install -r limited.txt"])
def test_a_constraint_that_forbids_what_is_locked_is_refused(tmp_path: Path, run: str) -> None:
    files = {"limits.txt": "six<1.17\n", "limited.txt": f"-c limits.txt\n{LOCKED}"}
    copied = "COPY requirements.txt limits.txt limited.txt ./\n"
    assert "forbids six==1.17.0" in refused(tmp_path, f"{copied}RUN {run}", files)
    files["limits.txt"] = "six<2\n"
    assert names(parse(tmp_path, f'{FROM}{copied}RUN {run}\nCMD ["a.b"]\n', files).tree.installs[0]) == ["six"]


def test_a_second_stage_of_one_name_is_refused_where_it_is_used(tmp_path: Path) -> None:
    assert "second stage of one name" in refused(tmp_path, f"COPY app /x\nFROM {BASE} AS a\nFROM {BASE} AS A")


def test_a_range_of_ports_and_a_shell_are_configuration(tmp_path: Path) -> None:
    shell = 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]'
    recipe = parse(tmp_path, f'{FROM}EXPOSE 8000-8002/UDP 80\n{shell}\nRUN set -ex; mkdir -p x;\nCMD ["a.b"]\n')
    assert sorted(recipe.changes["ExposedPorts"]) == ["80/tcp", "8000/udp", "8001/udp", "8002/udp"]
    assert recipe.changes["Shell"] == ["/bin/bash", "-o", "pipefail", "-c"]
    assert "var/task/x" in recipe.tree.placed


def test_a_maintainer_is_kept_as_it_is_written(tmp_path: Path) -> None:
    recipe = parse(tmp_path, f'{FROM}MAINTAINER "Jo" <$a@b>\nSTOPSIGNAL SIGRTMIN+3\nCMD ["a.b"]\n')
    assert (recipe.author, recipe.changes["StopSignal"]) == ('"Jo" <$a@b>', "SIGRTMIN+3")


def test_a_tar_without_a_mark_is_an_archive_too(tmp_path: Path) -> None:
    info = tarfile.TarInfo("main.py")
    head = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    head[257:265] = bytes(8)  # as tar wrote it before POSIX
    head[148:156] = b"%06o\0 " % (sum(head) - sum(head[148:156]) + 8 * 32)
    (tmp_path / "old.bin").write_bytes(bytes(head) + bytes(1024))
    (tmp_path / "zeros.bin").write_bytes(bytes(2048))
    assert "ADD unpacks the archive old.bin" in refused(tmp_path, "ADD old.bin /x/")
    assert "x/zeros.bin" in parse(tmp_path, f'{FROM}ADD zeros.bin /x/\nCMD ["a.b"]\n').tree.placed


def test_lines_of_a_here_document_are_no_instructions(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f'{FROM}COPY <<EOF /x\nFROM other\nEOF\nCMD ["a.b"]\n')
    with pytest.raises(BadInputError, match="2: the here-document EOF needs BuildKit"):
        outline(tmp_path / "Dockerfile", {})


@pytest.mark.parametrize(
    ("run", "target"),
    [
        ("pip install -r requirements.txt", SITE),
        ("pip3 install --no-cache-dir -r requirements.txt -t .", "var/task"),
        ('python -m pip install --target "${LAMBDA_TASK_ROOT}" -U --requirement=./requirements.txt', "var/task"),
        ("python3.13 -m pip -q install -t/opt/python -rrequirements.txt", "opt/python"),
        (
            '["pip", "install", "-r", "requirements.txt", "--target=${LAMBDA_TASK_ROOT}"]',
            "var/task/${LAMBDA_TASK_ROOT}",
        ),
        ("--mount=type=cache,target=/c pip install --require-hashes -r requirements.txt -t ./", "var/task"),
        ("pip install --root-user-action=ignore --no-warn-conflicts -qUr requirements.txt -t .", "var/task"),
        ("pip install -qqt . -rrequirements.txt > /dev/null 2>&1; echo 'all done'", "var/task"),
        ("PIP_NO_CACHE_DIR=1 pip install -r requirements.txt -t /opt/python 2>/dev/null", "opt/python"),
        ("cd /opt && pip install -r /var/task/requirements.txt -t python && true", "opt/python"),
    ],
)
def test_pip_installs_where_its_command_says(tmp_path: Path, run: str, target: str) -> None:
    recipe = parse(tmp_path, f'{FROM}COPY requirements.txt .\nRUN {run}\nCMD ["a.b"]\n')
    assert [(install.prefix, names(install)) for install in recipe.tree.installs] == [(target, ["six"])]


def test_the_requirements_file_that_is_named_is_the_one_that_is_read(tmp_path: Path) -> None:
    files = {"other.txt": LOCKED.replace("six", "idna")}
    text = f'{FROM}COPY *.txt /build/\nRUN pip install -r /build/other.txt -t .\nCMD ["a.b"]\n'
    assert [names(install) for install in parse(tmp_path, text, files).tree.installs] == [["idna"]]
    mounted = f'{FROM}RUN --mount=type=bind,source=other.txt,target=r.txt pip install -r r.txt\nCMD ["a.b"]\n'
    assert [names(install) for install in parse(tmp_path, mounted, files).tree.installs] == [["idna"]]


def test_packages_of_a_stage_are_taken_as_a_whole_or_refused(tmp_path: Path) -> None:
    stage = f"{FROM[:-1]} AS p\nCOPY requirements.txt /b/\nRUN pip install -r /b/requirements.txt -t /packages\n{FROM}"
    recipe = parse(tmp_path, f'{stage}COPY --from=p /packages /opt/python\nCMD ["a.b"]\n')
    assert [(install.prefix, install.direct) for install in recipe.tree.installs] == [("opt/python", False)]
    with pytest.raises(BadInputError) as caught:
        parse(tmp_path, f'{stage}COPY --from=p /packages/six.py .\nCOPY --from=p /etc/os-release .\nCMD ["a.b"]\n')
    part, base = caught.value.problems
    assert "a part of what pip installs" in part
    assert "COPY --from=p /etc/os-release" in base


def test_a_refused_line_of_a_stage_that_is_used_counts(tmp_path: Path) -> None:
    text = f'{FROM[:-1]} AS p\nRUN make\nCOPY app /a\n{FROM}COPY --from=p /a /b\nCMD ["a.b"]\n'
    with pytest.raises(BadInputError) as caught:
        parse(tmp_path, text)
    assert "Dockerfile:2: RUN make" in caught.value.problems[0]


def test_another_base_of_a_stage_is_refused_only_where_it_matters(tmp_path: Path) -> None:
    stage = "FROM node:22 AS web\nRUN npm build\nFROM scratch AS data\nCOPY app /a\n"
    assert parse(tmp_path, f'{stage}{FROM}COPY --from=data /a /opt/a\nCMD ["a.b"]\n').tree.placed
    with pytest.raises(BadInputError) as caught:
        parse(tmp_path, f'{stage}{FROM}COPY --from=web /dist /opt/a\nCMD ["a.b"]\n')
    assert "it runs in node:22" in caught.value.problems[0]


def test_what_a_base_would_do_on_build_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as caught:
        parse(tmp_path, f'{FROM}CMD ["a.b"]\n', config={**CONFIG, "OnBuild": ["RUN x"]})
    assert "ONBUILD" in caught.value.problems[0]


def test_a_base_that_is_not_known_is_not_guessed_at() -> None:
    from stepladder.images.parsers.run_command import NeedsEngineError

    with pytest.raises(NeedsEngineError, match="what node:22 holds"):
        base_files.unknown("node:22").lstat("srv/x")


@pytest.mark.parametrize(("text", "said"), [("", "no FROM"), ('CMD ["a.b"]\n', "before the first FROM")])
def test_a_file_without_a_base_is_bad_input(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        parse(tmp_path, text)
    with pytest.raises(BadInputError, match=said):
        outline(tmp_path / "Dockerfile", {})


def test_a_missing_dockerfile_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="Dockerfile"):
        outline(tmp_path / "Dockerfile", {})


def test_an_outline_tells_all_bases_and_the_handler_of_the_last_stage(tmp_path: Path) -> None:
    text = f'ARG B={BASE}\nFROM node:22 AS a\nRUN x\nFROM $B AS b\nCMD ["x.y"]\nFROM b\nCMD ["a.b"]\n'
    (tmp_path / "Dockerfile").write_text(text)
    found = outline(tmp_path / "Dockerfile", {})
    assert (found.bases, found.base, found.handler) == (("node:22", BASE), BASE, "a.b")

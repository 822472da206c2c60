"""The Dockerfile as the layers builder reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stepladder.errors import BadInputError
from stepladder.images.dockerfile import Recipe, read

FROM = "FROM public.ecr.aws/lambda/python:3.13\n"


def parse(tmp_path: Path, text: str, **arguments: str) -> Recipe:
    (tmp_path / "Dockerfile").write_text(text)
    return read(tmp_path / "Dockerfile", arguments)


def test_the_last_stage_decides(tmp_path: Path) -> None:
    recipe = parse(
        tmp_path,
        "# syntax=docker/dockerfile:1\n"
        "ARG BASE_IMAGE=public.ecr.aws/lambda/python:3.13\n"
        "FROM ${BASE_IMAGE} AS packages\n"
        "RUN anything at all\n"
        'CMD ["not.this"]\n'
        "FROM --platform=linux/arm64 ${BASE_IMAGE}\n"
        "ENV A=1 \\\n"
        "    # a comment between continued lines\n"
        '    B="two words"\n'
        "LABEL team=a\n"
        "COPY --from=packages /packages ${LAMBDA_TASK_ROOT}/\n"
        "COPY --chown=1:1 app ${LAMBDA_TASK_ROOT}/app/\n"
        "WORKDIR /var/task/sub\n"
        "COPY data.json .\n"
        'CMD ["app.handler.handler"]\n',
        BASE_IMAGE="example.org/base@sha256:1",
    )
    assert recipe.base == "example.org/base@sha256:1"
    assert recipe.handler == "app.handler.handler"
    assert recipe.environment == {"A": "1", "B": "two words"}
    assert recipe.labels == {"team": "a"}
    assert recipe.workdir == "/var/task/sub"
    assert recipe.copies == [("app", "/var/task/app/"), ("data.json", "/var/task/sub/.")]


def test_a_stage_can_build_on_a_stage(tmp_path: Path) -> None:
    recipe = parse(tmp_path, f'{FROM[:-1]} AS base\nENV A=1\nFROM base\nCOPY . .\nCMD ["a.b"]\n')
    assert recipe.base == "public.ecr.aws/lambda/python:3.13"
    assert recipe.environment == {"A": "1"}


def test_an_argument_falls_back_to_its_default(tmp_path: Path) -> None:
    text = 'ARG TAG=3.12\nFROM example.org/p:${TAG}\nARG X=${NONE:-d}\nENV Y=$X\nCMD ["a.b"]\n'
    recipe = parse(tmp_path, text)
    assert (recipe.base, recipe.environment) == ("example.org/p:3.12", {"Y": "d"})


@pytest.mark.parametrize(
    ("cmd", "said"),
    [
        ("", "no CMD"),
        ("CMD app.handler.handler", "not a list of one handler"),
        ('CMD ["python", "-m", "x"]', "not a list of one handler"),
        ('CMD ["handler"]', "not a handler"),
        ('CMD ["app handler"]', "not a handler"),
        ("CMD [app.handler]", "not a list of one handler"),
    ],
)
def test_a_handler_that_cannot_be_read_is_bad_input(tmp_path: Path, cmd: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said) as caught:
        parse(tmp_path, f"{FROM}COPY app /var/task/app\n{cmd}\n")
    assert "CMD [" in caught.value.hint or "module.function" in caught.value.hint


@pytest.mark.parametrize(
    "line",
    [
        "RUN dnf install -y gcc",
        "USER nobody",
        'ENTRYPOINT ["/bin/sh"]',
        "COPY *.py /var/task/",
        "COPY --exclude=a app /var/task/",
        "ADD https://example.org/x /x",
    ],
)
def test_what_needs_an_engine_is_named_and_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadInputError, match="needs an engine") as caught:
        parse(tmp_path, f'{FROM}{line}\nCMD ["a.b"]\n')
    assert line.split(maxsplit=1)[0] in caught.value.problems[0]
    assert "Dockerfile:2" in caught.value.problems[0]


def test_installing_the_locked_requirements_is_what_the_builder_does_itself(tmp_path: Path) -> None:
    run = "RUN --mount=type=cache,target=/cache pip install --require-hashes -r requirements.txt"
    assert parse(tmp_path, f'{FROM}{run}\nCMD ["a.b"]\n').handler == "a.b"


@pytest.mark.parametrize(("text", "said"), [("", "no FROM"), ('CMD ["a.b"]\n', "before the first FROM")])
def test_a_file_without_a_base_is_bad_input(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        parse(tmp_path, text)


def test_a_missing_dockerfile_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="Dockerfile"):
        read(tmp_path / "Dockerfile", {})

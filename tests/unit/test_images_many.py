"""Images of many functions: each distinct one is hashed, asked for, built and pushed once."""

from __future__ import annotations

import io
import json
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import image_project as project
from fakes.image_harness import ImageHarness
from fakes.many_images import MAILER, ManyImages, context, own

from stepladder import images
from stepladder.commands import check as project_check
from stepladder.commands import images as commands
from stepladder.commands.checks import ProjectCheck
from stepladder.core import git
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError
from stepladder.core.step import Step
from stepladder.images import key, pipeline, revision
from stepladder.images.builder import Builder, BuildJob
from stepladder.images.context import files
from stepladder.images.model import Built


@pytest.fixture
def many(image_harness: ImageHarness) -> ManyImages:
    return ManyImages(image_harness)


def test_functions_with_one_image_have_it_built_once(many: ManyImages, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = {f"job{number}": {"function": {"handler": "app.mailer.handler"}} for number in range(9)}
    many.write(handlers, {"function/app/mailer.py": MAILER})
    built = many.prepare()
    assert list(built) == ["", *handlers]
    assert {image.digest for image in built.values()} == {built[""].digest}
    assert many.harness.registry.count("PUT .*/manifests/(?!sha256:)") == 1
    assert many.step.detail.startswith("digest ")
    monkeypatch.setattr(pipeline, "_build", lambda *_arguments: pytest.fail("it was built again"))
    assert many.prepare()["job8"].pushed is False
    assert many.harness.aws.calls == ["BatchGetImage"]


def test_each_distinct_context_is_read_once_for_all_functions_of_it(
    many: ManyImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    many.write(
        {"a": own("shared"), "b": own("shared"), "c": {"function": {"handler": "app.handler.handler"}}},
        context("shared"),
    )
    read: list[Path] = []
    monkeypatch.setattr(key, "collect", lambda folder: read.append(folder) or files.collect(folder))
    keys = images.input_keys(many.views())
    assert len(read) == 2
    assert keys["a"] == keys["b"] != keys["c"] == keys[""]
    assert keys == {name: images.input_key(view) for name, view in many.views().items()}


def committed(monkeypatch: pytest.MonkeyPatch) -> str:
    """Have git say that every file is in a commit."""
    commit = "c0" * 20
    monkeypatch.setattr(git, "tree", lambda *_arguments: git.Tree(commit, ()))
    monkeypatch.setattr(git, "ask", lambda *_arguments: None)
    return commit


def test_images_of_one_commit_have_tags_of_their_own(many: ManyImages, monkeypatch: pytest.MonkeyPatch) -> None:
    many.write({"mailer": own("mailer"), "plain": {}}, context("mailer"))
    commit = committed(monkeypatch)
    built = many.prepare()
    assert built[""].tag == built["plain"].tag == commit
    assert built["mailer"].tag == f"{commit}-{built['mailer'].input_key[:8]}"
    assert all(revision.is_tag(tag) for tag in many.harness.tags)


def test_without_a_function_of_the_projects_own_no_image_has_the_commit_alone(
    many: ManyImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    many.write(
        {"mailer": own("mailer"), "biller": own("biller")},
        context("mailer") | context("biller", "x = 1\n" + MAILER),
        main=False,
    )
    commit = committed(monkeypatch)
    tags = {image.tag for image in many.prepare().values()}
    assert len(tags) == 2
    assert all(tag.startswith(f"{commit}-") for tag in tags)


def test_many_images_that_are_there_are_asked_for_in_one_call(many: ManyImages) -> None:
    names = [f"job{number}" for number in range(5)]
    texts = {path: text for name in names for path, text in context(name, f"NAME = {name!r}\n{MAILER}").items()}
    many.write({name: own(name) for name in names}, texts)
    first = many.prepare()
    assert many.step.detail == "6 of 6 images pushed; the registry has 0"
    again = many.prepare()
    assert many.harness.aws.calls == ["BatchGetImage"]
    assert many.harness.registry.requests == []
    assert {name: image.digest for name, image in again.items()} == {
        name: image.digest for name, image in first.items()
    }
    assert (many.step.mark, many.step.detail) == ("skip", "0 of 6 images pushed; the registry has 6")
    many.write({name: own(name) for name in names}, context("job3", f"NAME = 'changed'\n{MAILER}"))
    changed = many.prepare()
    assert [name for name in changed if changed[name].digest != first[name].digest] == ["job3"]
    assert many.step.detail == "1 of 6 images pushed; the registry has 5"


def test_images_are_built_at_once_and_all_to_their_end(many: ManyImages, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=60)
    build = pipeline._build

    def meeting(job: BuildJob, builder: Builder) -> Built:
        both.wait()
        return build(job, builder)

    monkeypatch.setattr(pipeline, "_build", meeting)
    many.write({"good": own("good")}, context("good"))
    built = many.prepare()
    assert built["good"].pushed
    assert built[""].pushed


def test_each_image_that_cannot_be_built_is_named_by_its_function(many: ManyImages) -> None:
    broken = context("broken") | context("lost") | context("good")
    broken["functions/broken/Dockerfile"] = "FROM scratch\n"
    broken["functions/lost/Dockerfile"] = project.DOCKERFILE.replace("app.handler.handler", "app.lost.handler")
    many.write({"good": own("good"), "broken": own("broken"), "lost": own("lost"), "again": own("lost")}, broken)
    with pytest.raises(BadInputError) as caught:
        many.prepare()
    assert caught.value.message.startswith("broken: functions/broken/Dockerfile has no CMD")
    assert caught.value.message.endswith("; 1 more failed")
    assert any(problem.startswith("lost, again: the image would not hold") for problem in caught.value.problems)
    with pytest.raises(BadInputError, match="broken: "):
        images.check_all(many.views(), take_pointers=False)


def test_a_folder_that_is_not_there_is_named_by_the_functions_own_setting(many: ManyImages) -> None:
    many.write({"mailer": own("nowhere"), "plain": {}}, {})
    for act in (lambda: images.input_keys(many.views()), lambda: images.check_all(many.views(), take_pointers=False)):
        with pytest.raises(BadInputError, match="there is no folder functions/nowhere/") as caught:
            act()
        assert caught.value.hint.startswith("`stepladder.functions.mailer.image.context` names it")
    shutil.rmtree(many.harness.root / "function")
    with pytest.raises(BadInputError, match="there is no folder function/") as caught:
        images.input_keys({"plain": many.views()["plain"]})
    assert caught.value.hint.startswith("`stepladder.image.context` names it")


def test_a_context_without_a_dockerfile_is_bad_input(many: ManyImages) -> None:
    many.write({"mailer": own("nowhere")}, {"functions/nowhere/app/handler.py": MAILER})
    with pytest.raises(BadInputError, match="mailer: there is no functions/nowhere/Dockerfile"):
        images.check_all(many.views(), take_pointers=False)


def test_a_handler_is_checked_in_the_functions_own_image(many: ManyImages) -> None:
    many.write(
        {"mailer": own("mailer", function={"handler": "app.mailr.handler"}), "biller": {}},
        context("mailer") | {"functions/mailer/app/mailer.py": MAILER},
    )
    with pytest.raises(BadInputError) as caught:
        images.check_all(many.views(), take_pointers=False)
    assert "the handler app.mailr.handler of function mailer (`stepladder.functions.mailer.function.handler`)" in str(
        caught.value
    )
    assert "there is no app/mailr.py in functions/mailer" in caught.value.message
    assert "did you mean `app.mailer.handler`?" in caught.value.hint


def test_all_handlers_of_an_image_are_checked_when_one_function_of_it_is_built(many: ManyImages) -> None:
    many.write({"a": {"function": {"handler": "app.a.handler"}}, "b": {"function": {"handler": "app.b.handler"}}})
    with pytest.raises(BadInputError, match="2 handlers that the settings name") as caught:
        many.prepare("")
    assert [problem.split(" of ")[0] for problem in caught.value.problems] == [
        "the handler app.a.handler",
        "the handler app.b.handler",
    ]


def test_a_named_function_that_says_nothing_has_the_projects_image(many: ManyImages) -> None:
    many.write({"plain": {}})
    built = many.prepare("plain")
    assert built["plain"].digest == many.harness.prepare().digest
    assert many.harness.aws.calls == ["BatchGetImage"]


def check(many: ManyImages, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Run what `inv check` runs on the functions, without the programs that it starts; return what each says."""
    said: dict[str, str] = {}

    def run(checks: Sequence[ProjectCheck], *_more: object) -> None:
        for each in checks:
            if each.act and each.name in {"smoke", "lock", "Dockerfile"}:
                step = Step(each.name)
                each.act(step)
                said[each.name] = step.detail

    monkeypatch.setattr(project_check, "run_all", run)
    project_check.check(many.harness.settings, Console(err=io.StringIO()))
    return said


CASE = json.dumps({"name": "ok", "payload": {}, "expect": {"status": 200}})
SMOKE = {"tests/smoke/ok.json": CASE, "tests/smoke/mailer/ok.json": CASE}


def test_inv_check_says_of_one_function_what_it_always_said(many: ManyImages, monkeypatch: pytest.MonkeyPatch) -> None:
    many.write({}, SMOKE)
    assert check(many, monkeypatch) == {
        "smoke": "1 in tests/smoke",
        "lock": "function/requirements.txt locks what requirements.in asks for",
        "Dockerfile": "function/Dockerfile and its handler",
    }


def test_inv_check_checks_every_function(many: ManyImages, monkeypatch: pytest.MonkeyPatch) -> None:
    many.write({"mailer": own("mailer")}, context("mailer") | SMOKE)
    assert check(many, monkeypatch) == {
        "smoke": "2 in 2 folders",
        "lock": "2 locks hold what their requirements.in asks for",
        "Dockerfile": "2 Dockerfiles and their handlers",
    }
    many.write({"mailer": own("mailer", function={"handler": "app.handlr.handler"})})
    with pytest.raises(BadInputError, match="mailer: the image would not hold the handler"):
        check(many, monkeypatch)
    many.write({"biller": {}}, context("mailer") | SMOKE)
    with pytest.raises(BadInputError, match="smoke cases are not valid") as caught:
        check(many, monkeypatch)
    assert caught.value.problems[0].startswith("tests/smoke/biller: ")


def test_the_lock_of_each_context_is_compared_and_noted_by_itself(many: ManyImages) -> None:
    many.write({"mailer": own("mailer")}, context("mailer") | {"functions/mailer/requirements.in": "requests\n"})
    with pytest.raises(BadInputError, match=r"functions/mailer/requirements\.txt doesn't lock"):
        images.input_keys(many.views())


def test_the_images_of_several_functions_are_printed_with_their_functions(
    many: ManyImages, capsys: pytest.CaptureFixture[str]
) -> None:
    many.write({"mailer": own("mailer"), "plain": {}}, context("mailer"))
    settings, aws = many.harness.settings, many.harness.aws
    commands.push(settings, Console(), aws, "staging")  # type: ignore[arg-type]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["main, plain", "mailer"]
    commands.push(settings, Console(as_json=True), aws, "staging")  # type: ignore[arg-type]
    assert [each["functions"] for each in json.loads(capsys.readouterr().out)] == [["", "plain"], ["mailer"]]
    commands.push(settings, Console(), aws, "staging", "mailer")  # type: ignore[arg-type]
    assert capsys.readouterr().out.splitlines() == [lines[1].split(" ")[0]]

"""Handlers that the settings name: refused before anything is built or changed, and no input of an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import image_project as project
from fakes.deploy_harness import DeployHarness
from fakes.image_harness import ImageHarness
from fakes.many_harness import ManyHarness

from stepladder import images
from stepladder.core import interpreters
from stepladder.core.errors import BadInputError
from stepladder.core.step import Step
from stepladder.images import pipeline
from stepladder.images.context import handler_names
from stepladder.images.key import PUBLIC_BASE
from stepladder.images.layers import build as layers

MAILER = "def handler(event, context):\n    return 1\n\n\ndef handle_bounce(event, context):\n    return 2\n"


@pytest.fixture
def harness(image_harness: ImageHarness) -> ImageHarness:
    return image_harness


def with_handler(harness: ImageHarness, handler: str, **settings: Any) -> ImageHarness:
    function = {"handler": handler} if handler else {}
    harness.write({"function/app/mailer.py": MAILER}, function=function, **settings)
    return harness


def check(harness: ImageHarness) -> None:
    images.check_handlers({"": harness.settings}, harness.aws, Step("image"), "staging", say=harness.printed.append)  # type: ignore[arg-type]


def test_a_handler_is_no_input_of_the_image(harness: ImageHarness) -> None:
    with_handler(harness, "")
    before = images.input_key(harness.settings)
    with_handler(harness, "app.mailer.handler")
    assert images.input_key(harness.settings) == before


@pytest.mark.parametrize(
    ("handler", "why", "hint"),
    [
        ("app.mailr.handler", "there is no app/mailr.py in function", "did you mean `app.mailer.handler`?"),
        ("app/mailr.handler", "there is no app/mailr.py in function", "did you mean `app.mailer.handler`?"),
        ("app.mailer.handlr", "function/app/mailer.py has no handlr", "did you mean `app.mailer.handler`?"),
        ("app.mailer.bounce", "function/app/mailer.py has no bounce", "its files have app.handler.handler"),
        ("app.handler", "function/app/__init__.py has no handler", "its files have app.handler.handler"),
        ("mailr.handler", "there is no mailr.py in /var/task", "did you mean `app.mailer.handler`?"),
    ],
)
def test_a_handler_that_is_not_there_is_refused_with_what_is(
    harness: ImageHarness, handler: str, why: str, hint: str
) -> None:
    with_handler(harness, handler)
    with pytest.raises(BadInputError) as caught:
        check(harness)
    assert f"the handler {handler} of the function (`stepladder.function.handler`)" in caught.value.message
    assert why in caught.value.message
    assert hint in caught.value.hint
    assert not harness.tags


def test_a_module_that_the_context_has_twice_may_be_either(harness: ImageHarness) -> None:
    twice = {
        "function/.dockerignore": "*\n!a\n!b\n!requirements.txt\n",
        "function/a/app/handler.py": "x = 1\n",
        "function/b/app/__init__.py": "",
        "function/b/app/handler.py": MAILER,
        "function/Dockerfile": project.DOCKERFILE.replace("COPY app", "COPY b/app"),
    }
    harness.write(twice, function={"handler": "app.handler.handle_bounce"})
    assert harness.prepare().pushed
    harness.write(twice, function={"handler": "app.handler.handle_nothing"})
    with pytest.raises(BadInputError, match=r"function/a/app/handler\.py has no handle_nothing"):
        check(harness)


@pytest.mark.parametrize("handler", ["app handler", "handler", "app.mailer.", ".handler", "app..handler", "a.b.c-d"])
def test_a_handler_of_another_form_is_bad_input(harness: ImageHarness, handler: str) -> None:
    with pytest.raises(BadInputError, match="settings are not valid") as caught:
        with_handler(harness, handler)
    assert any("function.handler" in problem for problem in caught.value.problems)


def test_a_handler_of_one_environment_is_checked_too(harness: ImageHarness) -> None:
    staging = {"account": project.ACCOUNT, "region": project.REGION, "function": {"handler": "app.mailr.handler"}}
    with_handler(harness, "", environments={"staging": staging})
    with pytest.raises(BadInputError, match=r"`stepladder\.environments\.staging\.function\.handler`"):
        harness.prepare()


def test_a_handler_is_checked_in_an_image_that_was_built_before_it_was_named(harness: ImageHarness) -> None:
    packages = {
        "function/.dockerignore": "*\n!app\n!vendor\n!requirements.txt\n",
        "function/Dockerfile": project.DOCKERFILE.replace("CMD", "COPY vendor ${LAMBDA_TASK_ROOT}/\nCMD"),
        "function/vendor/lib/entry.py": MAILER,
    }
    harness.write(packages)
    built = harness.prepare()
    harness.write(packages, function={"handler": "lib.entry.handler"})
    again = harness.prepare()
    assert (again.digest, again.pushed) == (built.digest, False)
    harness.write(packages, function={"handler": "lib.entri.handler"})
    with pytest.raises(BadInputError, match=r"would not hold the handler lib\.entri\.handler"):
        harness.prepare()


def test_a_handler_that_was_seen_in_an_image_is_not_built_for_again(
    harness: ImageHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_handler(harness, "app.mailer.handler")
    harness.prepare()
    monkeypatch.setattr(pipeline, "_build", lambda *_arguments: pytest.fail("it was built again"))
    check(harness)
    assert harness.prepare().pushed is False


def test_what_a_configured_handler_imports_must_be_in_the_image_too(tmp_path: Path) -> None:
    files = {"function/.dockerignore": "*\n!app\n!helpers\n!requirements.txt\n", "function/helpers/__init__.py": ""}
    files["function/app/mailer.py"] = f"import helpers\n{MAILER}"
    settings = project.make(tmp_path, files, function={"handler": "app.mailer.handler"})
    with pytest.raises(BadInputError, match="would not hold what the handler imports: helpers"):
        layers.build(settings, project.base(label=f"{PUBLIC_BASE}:3.13@sha256:00"), key="0", commit="")


def test_what_a_configured_handler_is_loaded_with_must_compile(harness: ImageHarness) -> None:
    broken, python = {"function/app/mailer.py": "def handler(:\n"}, interpreters.running()
    harness.write(broken, function={"handler": "app.mailer.handler"}, python=python)
    with pytest.raises(BadInputError, match=r"app\.mailer\.handler can't be loaded"):
        images.check_files(harness.settings, take_pointers=False)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def a(): b = 1\nclass C:\n  def d(self): e = 1\n", {"a", "C"}),
        ("from x import y as z\nimport p.q, r as s\n", {"z", "p", "s"}),
        ("a, (b, *c) = f()\nd: int = 1\nif (e := 1):\n  g = 2\n", {"a", "b", "c", "d", "e", "g"}),
        ("try:\n  import a\nexcept E as b:\n  c = None\n", {"a", "b", "c"}),
        ("def make():\n  global late\n  late = 1\n", {"make", "late"}),
        ("match x:\n  case [a, *b]: pass\n", {"a", "b"}),
        ("from x import *\n", None),
        ("globals().update(handler=1)\n", None),
        ("def __getattr__(name): ...\n", None),
        ("import sys\nsys.modules[__name__] = thing\n", None),
        ("def broken(:\n", None),
    ],
)
def test_the_names_of_a_module_are_read_or_said_to_be_unknown(source: str, names: set[str] | None) -> None:
    assert handler_names.names_of(source.encode()) == names


def test_a_deploy_refuses_a_handler_before_terraform_configures_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    (tmp_path / "one").mkdir()
    for harness, deploy in (
        (one := DeployHarness(tmp_path / "one"), one.deploy),
        (two := ManyHarness(tmp_path, {"mailer": {}}), two.deploy_many),
    ):
        deploy()
        harness.applied.clear()
        harness.bad_handler, harness.infra_inputs = BadInputError("no such handler"), "a handler was named"
        with pytest.raises(BadInputError, match="no such handler"):
            deploy()
        assert harness.applied == []
        harness.bad_handler, harness.handlers_checked = None, 0
        deploy()
        assert harness.applied == ["service"]
        deploy()
        assert harness.handlers_checked == 1, "only where the service is applied, once for an image"


def test_a_dry_run_refuses_files_that_no_image_can_be_made_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    (tmp_path / "one").mkdir()
    for harness, deploy in (
        (one := DeployHarness(tmp_path / "one"), one.deploy),
        (two := ManyHarness(tmp_path, {"mailer": {}}), two.deploy_many),
    ):
        deploy()
        harness.broken = BadInputError("no such handler")
        assert deploy(dry_run=True).result == "unchanged", "nothing is to be made of them"
        for change in ("source", "infra_inputs"):
            before = getattr(harness, change)
            setattr(harness, change, "two")
            with pytest.raises(BadInputError, match="no such handler"):
                deploy(dry_run=True)
            setattr(harness, change, before)

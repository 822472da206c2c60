"""`inv function.new`: what it writes, and that nothing else of `invoke.yaml` changes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from fakes import image_project as project

from stepladder import images
from stepladder.commands import check, new_function
from stepladder.core import process
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError
from stepladder.releases import smoke_suite
from stepladder.settings import functions, invoke_yaml_insert
from stepladder.settings.load import Settings, load

AT = f'{{account: "{project.ACCOUNT}", region: {project.REGION}}}'
SETTINGS = f"""# ours
tasks: {{auto_dash_names: true}}
stepladder:
  project: "demo"   # its name
  rungs: [staging]
  environments:
    staging: {AT}
      # the end of it

# after it
"""


@pytest.fixture
def made(tmp_path: Path) -> Settings:
    project.make(tmp_path, {"invoke.yaml": SETTINGS})
    return again(tmp_path)


def again(root: Path) -> Settings:
    return load(yaml.safe_load((root / "invoke.yaml").read_text())["stepladder"], root)


def test_a_function_of_the_projects_image_is_ready_to_be_checked(made: Settings) -> None:
    new_function.add(made, Console(), "mail-er", own_image=False)
    after = again(made.root)
    assert after.of_function("mail-er").function.handler == "app.mail_er.handler"
    images.check_all(functions.views(after), take_pointers=False)
    (case,) = smoke_suite.load(made.root / after.of_function("mail-er").smoke.path)
    assert case.name == "answers"
    written = (made.root / "invoke.yaml").read_text()
    assert [line for line in written.splitlines() if line not in SETTINGS.splitlines()] == [
        "  functions:",
        "    mail-er:",
        "      function: {handler: app.mail_er.handler}",
    ]
    assert [line for line in SETTINGS.splitlines() if line not in written.splitlines()] == []


def test_a_function_with_an_image_of_its_own_has_a_context_that_builds(made: Settings) -> None:
    new_function.add(made, Console(), "mailer", own_image=True)
    new_function.add(again(made.root), Console(), "biller", own_image=True)
    after = again(made.root)
    assert [view.image.context for view in functions.views(after).values()] == [
        "function",
        "functions/mailer",
        "functions/biller",
    ]
    images.check_all(functions.views(after), take_pointers=False)
    keys = images.input_keys(functions.views(after))
    assert len(set(keys.values())) == 3


def test_a_function_without_tests_of_its_own_does_not_run_the_projects(
    made: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_function.add(made, Console(), "mailer", own_image=True)
    after = again(made.root)
    with pytest.raises(BadInputError, match="there is no folder functions/mailer/tests") as caught:
        check.run_tests(after, Console(), "-q", function="mailer")
    assert "`functions/mailer/tests/test_handler.py`" in caught.value.hint
    ran = list[list[str]]()
    monkeypatch.setattr(check, "packages", lambda _settings: 0)
    monkeypatch.setattr(process, "run", lambda argv, **_options: ran.append(argv) or SimpleNamespace(code=0))
    check.run_tests(after, Console(), "-q")
    check.run_tests(after, Console(), "function/app/handler.py::test_it", function="mailer")
    (made.root / "functions/mailer/tests").mkdir()
    check.run_tests(after, Console(), "", function="mailer")
    assert [any("pythonpath=functions/mailer" in each for each in argv) for argv in ran] == [False, True, True]


def test_nothing_is_written_for_a_name_that_will_not_do_or_over_a_file(made: Settings) -> None:
    before = {path: path.read_bytes() for path in made.root.rglob("*") if path.is_file()}
    for name in ("main", "Mailer", "mailer_two", "m" * 60):
        with pytest.raises(BadInputError):
            new_function.add(made, Console(), name, own_image=False)
    assert {path: path.read_bytes() for path in made.root.rglob("*") if path.is_file()} == before
    with pytest.raises(BadInputError, match=r"handler\.py is there already"):
        new_function.add(made, Console(), "handler", own_image=False)
    new_function.add(made, Console(), "mailer", own_image=False)
    with pytest.raises(BadInputError, match="no function can be called 'mailer'") as caught:
        new_function.add(again(made.root), Console(), "mailer", own_image=False)
    assert caught.value.problems == ("there is a function mailer already",)
    assert caught.value.hint == "give another name: `inv function.new --name mailer2`"
    with pytest.raises(BadInputError, match="no function can be called ''") as caught:
        new_function.add(made, Console(), "", own_image=False)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("name", ["true", "null", "on"])
def test_a_name_that_yaml_reads_otherwise_is_written_in_quotes(made: Settings, name: str) -> None:
    new_function.add(made, Console(), name, own_image=False)
    assert again(made.root).function_names == ("", name)
    assert f'    "{name}":\n' in (made.root / "invoke.yaml").read_text()


def test_a_module_can_be_imported_by_tests_and_hides_none_of_pythons_own(made: Settings) -> None:
    new_function.add(made, Console(), "import", own_image=False)
    assert again(made.root).of_function("import").function.handler == "app.import_function.handler"
    new_function.add(again(made.root), Console(), "json", own_image=False)
    assert again(made.root).of_function("json").function.handler == "app.json.handler"
    (made.root / "function/handler.py").write_text("def handler(event, context): ...\n")
    dockerfile = made.root / "function/Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("app.handler.handler", "handler.handler"))
    new_function.add(again(made.root), Console(), "logging", own_image=False)
    assert again(made.root).of_function("logging").function.handler == "logging_function.handler"


@pytest.mark.parametrize(
    "content",
    [
        "stepladder: {project: demo, rungs: [staging]}\n",
        "stepladder:\n  project: demo\n  functions: {other: {}}\n",
        "other: 1\n",
        "",
        "stepladder:\n  project: demo\n  functions: &all\n    a: {}\n  more: *all\n",
        "stepladder: [\n",
    ],
)
def test_a_file_that_cannot_be_edited_safely_is_left(content: str) -> None:
    assert invoke_yaml_insert.function(content, "mailer", ["image: {context: a}"]) == ""


NEW = "functions:\n    mailer:\n      image: {context: a}\n"


@pytest.mark.parametrize(
    ("content", "entry"),
    [
        (
            "stepladder:\n    project: demo\n    functions:\n        a: {}  # first\n@        # none yet\n\nrest: 1\n",
            "        mailer:\n          image: {context: a}\n",
        ),
        ("stepladder:\n  project: demo\n  note: |\n    two\n    lines\n@rest: 1", f"  {NEW}"),
        ("stepladder:\r\n  project: demo\r\n@", f"  {NEW}".replace("\n", "\r\n")),
        (
            "stepladder:\n  functions:\n    a:\n      triggers:\n      - kind: sqs\n@  project: demo\n",
            "    mailer:\n      image: {context: a}\n",
        ),
    ],
)
def test_an_entry_is_added_behind_the_last_one(content: str, entry: str) -> None:
    before, expected = content.replace("@", ""), content.replace("@", entry)
    assert invoke_yaml_insert.function(before, "mailer", ["image: {context: a}"]) == expected


def test_a_last_line_without_an_end_gets_one() -> None:
    after = invoke_yaml_insert.function("stepladder:\n  project: demo", "mailer", ["image: {context: a}"])
    assert after == f"stepladder:\n  project: demo\n  {NEW}"

"""`inv new` in whole processes, and the tasks of a generated project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fakes.terraform import FakeTerraform

from stepladder.commands import check as tasks
from stepladder.commands import lock
from stepladder.core import names
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, StepladderError
from stepladder.scaffold.answers import prompts
from stepladder.scaffold.generate import generate
from stepladder.settings import load as settings

TASKS = """
from invoke import Collection
from stepladder.collections import new
ns = Collection(new.new)
"""


@pytest.fixture
def here(tmp_path):
    (tmp_path / "tasks.py").write_text(TASKS)
    return tmp_path


def test_it_makes_the_same_project_as_cookiecutter(here, template, tree):
    inv(here, "new", "--no-input", "--output", "ours", "--trigger", "sqs")
    argv = [sys.executable, "-m", "cookiecutter", "--no-input", str(template.parent), "--directory", "template"]
    subprocess.run([*argv, "-o", str(here / "theirs"), "trigger=sqs"], check=True, timeout=60, capture_output=True)

    assert tree(here / "ours") == tree(here / "theirs")
    assert modes(here / "ours") == modes(here / "theirs")


def test_it_asks_for_what_is_not_given(here):
    done = inv(here, "new", "--trigger", "sqs", given="Order Desk\n\nTakes orders\n" + "\n" * 12)
    made = settings.load(yaml.safe_load((here / "order-desk/invoke.yaml").read_text())["stepladder"], here)

    assert made.project == "order-desk"
    assert [each.kind for each in made.triggers] == ["sqs"]
    assert "Name of the project, for people" in done.stdout
    assert "an SQS queue" in done.stdout


def test_a_person_is_asked_again_with_their_answers_as_the_defaults(here):
    """The first round names the project badly; the second only mends that."""
    first = "3D Shop\n\nSells {{ things }}\n" + "\n" * 10
    second = "\nshop-3d\n" + "\n" * 11
    done = inv(here, "new", "--ci", "none", given=first + second)
    text = (here / "shop-3d/README.md").read_text()

    assert "project_slug is '3d-shop'; allowed: " in done.stderr
    assert "hint: answer again; Enter keeps the answer that is shown" in done.stderr
    assert text.startswith("# 3D Shop\n\nSells {{ things }}\n")
    assert not (here / "shop-3d/.github").exists()


def test_it_says_when_nobody_answers(here):
    done = inv(here, "new", code=2)

    assert "error: there is nobody to answer the prompts" in done.stderr
    assert "hint: pass `--no-input`" in done.stderr


def test_it_prints_the_folder_as_data_and_the_rest_beside(here):
    done = inv(here, "new", "--no-input")

    assert done.stdout == f"{here / 'hello-ladder'}\n"
    assert "created hello-ladder, which depends on stepladder[local] @ " in done.stderr


def test_the_last_hint_names_the_folder_as_it_was_asked_for(here):
    for output, said in (("sub/my projects", "`cd 'sub/my projects/hello-ladder'`"), (".", "`cd hello-ladder`")):
        done = inv(here, "new", "--no-input", "--output", output)
        assert done.stderr.splitlines()[-1] == f"hint: {said}, read README.md, then `uv sync && uv run inv test`"


def test_the_example_account_is_told_and_one_s_own_is_not(here):
    told = "its AWS account is the example 123456789012"
    assert told in inv(here, "new", "--no-input").stderr
    own = inv(here, "new", "--no-input", "--project-name", "mine", "--aws-account", "111122223333")
    assert told not in own.stderr


def test_the_example_account_is_the_template_s_default(template):
    assert prompts(template)["aws_account"] == names.EXAMPLE_ACCOUNT


def test_flags_win_over_the_file_of_answers(here):
    (here / "answers.yaml").write_text("project_name: From File\ntrigger: sqs\npython_version: 3.12\n")
    inv(here, "new", "--no-input", "--answers", "answers.yaml", "--trigger", "none")
    text = (here / "from-file/invoke.yaml").read_text()

    assert "triggers: []" in text
    assert 'python: "3.12"' in text


def test_bad_answers_end_with_exit_code_2_and_every_problem(here):
    done = inv(here, "new", "--no-input", "--trigger", "x", "--aws-account", "1", "--project-slug", "../y", code=2)

    assert [line.split()[1] for line in done.stderr.splitlines() if line.startswith("  - ")] == [
        "trigger",
        "project_slug",
        "aws_account",
    ]


def test_a_folder_that_exists_is_left_alone(here):
    (here / "hello-ladder").mkdir()
    (here / "hello-ladder/mine").write_text("precious")
    done = inv(here, "new", "--no-input", code=2)

    assert "exists already" in done.stderr
    assert [path.name for path in (here / "hello-ladder").iterdir()] == ["mine"]


def test_a_failure_in_the_middle_leaves_nothing(template, tmp_path):
    copy = tmp_path / "repository"
    shutil.copytree(template, copy / "template")
    shutil.copytree(Path(names.__file__).parent, copy / "stepladder/core")
    shutil.copy(Path(names.__file__).parents[1] / "__init__.py", copy / "stepladder")

    with pytest.raises(NotReadyError, match="the Terraform modules foundation, service, delivery aren't in") as refused:
        generate(copy / "template", tmp_path / "output", {})

    assert "the whole repository" in refused.value.hint
    assert not list((tmp_path / "output").iterdir())


def test_a_person_s_own_cookiecutter_defaults_count(here, empty_home):
    (empty_home / ".cookiecutterrc").write_text("default_context: {aws_region: us-east-1}\n")
    inv(here, "new", "--no-input")

    assert "region: us-east-1" in (here / "hello-ladder/invoke.yaml").read_text()


def test_the_home_is_not_written_to(here, empty_home):
    inv(here, "new", "--no-input")

    assert not list(empty_home.iterdir())


def test_the_lock_is_in_step_with_what_the_function_asks_for(new_project):
    project = new_project()
    locked = (project / "function/requirements.txt").read_text()
    lock.write(load(project), Console(), upgrade=False)

    assert (project / "function/requirements.txt").read_text() == locked


def test_the_lock_is_good_for_every_python(new_project):
    """One lock for all: locking for the oldest and for the newest Python gives the same file."""
    texts = set()
    for python in ("3.11", "3.14"):
        project = new_project(python_version=python, project_slug=f"py{python[-2:]}")
        lock.write(load(project), Console(), upgrade=False)
        texts.add((project / "function/requirements.txt").read_text())

    assert len(texts) == 1


def test_packages_are_installed_once_and_again_when_the_lock_changes(new_project):
    project = new_project()

    assert tasks.packages(load(project)) == 3
    assert tasks.packages(load(project)) == 0
    locked = project / "function/requirements.txt"
    locked.write_text(locked.read_text() + "# changed\n")
    assert tasks.packages(load(project)) == 3
    assert [path.name for path in (project / ".stepladder").iterdir()] != []


def test_a_lock_without_the_right_hash_is_refused(new_project):
    project = new_project()
    locked = project / "function/requirements.txt"
    locked.write_text(re.sub("sha256:....", "sha256:0000", locked.read_text()))

    with pytest.raises(StepladderError, match="has none of the hashes that are locked"):
        tasks.packages(load(project))


@pytest.fixture
def fake_terraform(tmp_path, monkeypatch):
    """A Terraform that finds everything valid at once, where what else `check` says is looked at."""
    for name, value in FakeTerraform(tmp_path / "tools").variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("fake_terraform")
def test_check_refuses_a_requirement_that_is_not_locked(new_project):
    project = new_project()
    with (project / "function/requirements.in").open("a") as asked:
        asked.write("Some_Package[extra]>=1\nAWS.lambda_powertools\n# comment\n-c constraints.txt\n")
    (project / "function/constraints.txt").touch()

    for task in (lambda: tasks.check(load(project), Console()), lambda: tasks.packages(load(project))):
        with pytest.raises(BadInputError, match="doesn't lock what function/requirements") as refused:
            task()
        assert refused.value.problems == ("function/requirements.in:3: Some_Package[extra]>=1: not locked",)


@pytest.mark.usefixtures("fake_terraform")
def test_check_refuses_a_broken_smoke_case(new_project):
    project = new_project()
    (project / "tests/smoke/broken.json").write_text("{")

    with pytest.raises(BadInputError) as refused:
        tasks.check(load(project), Console())

    assert "broken.json: is not JSON" in refused.value.problems[0]


@pytest.mark.terraform
def test_check_shows_each_of_its_checks_and_its_total_last(new_project, capfd):
    project = new_project()
    tasks.check(load(project), Console())
    said = capfd.readouterr().err.splitlines()
    names = {"settings", "smoke", "lock", "Dockerfile", "ruff", "format", "terraform", "validate"}
    assert {line[2:].split("  ")[0].strip() for line in said[:-1]} == names
    assert [line for line in said[:-1] if line[15].isspace()] == [], "each says what it looked at"
    assert said[-1] == "8 checks passed, 0 skipped"

    (project / "function/app/handler.py").write_text("import os\n")  # ruff, and the handler that the Dockerfile names
    (project / "function/Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(StepladderError, match="2 of 8 checks failed: Dockerfile, ruff"):
        tasks.check(load(project), Console())
    assert "· validate" in capfd.readouterr().err, "validated although ruff failed, and not again"


@pytest.mark.usefixtures("fake_terraform")
def test_check_goes_on_when_the_settings_are_wrong(new_project, capfd):
    project = new_project()
    wrong = BadInputError("the settings are not valid", problems=("stepladder.python is '2.7'",))
    with pytest.raises(BadInputError, match="1 of 5 checks failed: settings: the settings are not valid") as caught:
        tasks.check(wrong, Console(), project)
    assert caught.value.problems == wrong.problems
    said = capfd.readouterr().err
    assert "✓ ruff" in said
    assert "✓ validate" in said


VARIABLES = """import os


def test_the_functions_variables_are_there():
    assert os.environ["POWERTOOLS_SERVICE_NAME"] == "hello-ladder"
"""


def test_a_failing_test_of_the_project_fails_the_task(new_project, capfd):
    project = new_project(trigger="none")
    handler = project / "function/app/handler.py"
    handler.write_text(handler.read_text().replace("hello", "goodbye"))
    (project / "tests/test_variables.py").write_text(VARIABLES)

    with pytest.raises(StepladderError, match="the tests failed"):
        tasks.run_tests(load(project), Console(), "-q -p no:cacheprovider")

    assert "1 failed, 2 passed" in capfd.readouterr().out  # the tests get the function's variables


def test_a_function_with_a_folder_of_its_own_is_tested_there(new_project, capfd):
    project = new_project(trigger="none")
    own = project / "functions/mailer"
    (own / "app").mkdir(parents=True)
    (own / "tests").mkdir()
    (own / "app/__init__.py").write_text("")
    (own / "app/handler.py").write_text("def handler(event, context):\n    return 'mailed'\n")
    (own / "tests/test_handler.py").write_text(
        "from app.handler import handler\n\n\ndef test_it_mails():\n    assert handler({}, None) == 'mailed'\n"
    )
    raw = yaml.safe_load((project / "invoke.yaml").read_text())["stepladder"]
    both = settings.load(raw | {"functions": {"mailer": {"image": {"context": "functions/mailer"}}}}, project)
    tasks.run_tests(both, Console(), "-q -p no:cacheprovider", function="mailer")
    assert "1 passed" in capfd.readouterr().out
    tasks.run_tests(both, Console(), "-q -p no:cacheprovider")
    assert "2 passed" in capfd.readouterr().out, "the project's own tests are none of it"


@pytest.mark.terraform
def test_broken_terraform_code_fails_the_check(new_project):
    project = new_project()
    shutil.rmtree(project / "terraform/service")
    (project / "terraform/foundation/main.tf").write_text('module "foundation" {\n  source = "../modules/nowhere"\n}\n')

    with pytest.raises(StepladderError, match="failed in foundation"):
        tasks.validate(load(project), Console())


def load(project: Path) -> settings.Settings:
    return settings.load(yaml.safe_load((project / "invoke.yaml").read_text())["stepladder"], project)


def modes(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_mode for path in folder.rglob("*")}


def inv(folder: Path, *arguments: str, given: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "400"},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done

"""Which answers become a project, and how the others are refused."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from stepladder.core.errors import BadInputError
from stepladder.scaffold.answers import as_data, check, prompts, read_file
from stepladder.settings import load

LONG = "x" * 201

HOSTILE_TEXT = [
    'He said "no"',
    "It's fine",
    "back\\slash \\n \\",
    "{{ 7 * 7 }} {% raw %} {# no comment",
    "{{",
    "{% endraw %}{{ cookiecutter }}",
    "$(touch pwned) `touch pwned` ${HOME} %{ if true }",
    "Größe 日本 \N{SNAKE}",
    "../../etc/passwd",
    '""" + __import__("os").getcwd() + """',
    "# heading | pipe | <b>html</b> & more",
    "x" * 200,
]

REFUSED = [
    ({"project_name": ""}, ["project_name"]),
    ({"project_name": "two\nlines", "project_slug": "ok"}, ["project_name"]),
    ({"project_name": "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe", "project_slug": "ok"}, ["project_name"]),
    ({"project_name": LONG}, ["project_name"]),
    ({"project_name": "3D Printer"}, ["project_slug"]),
    ({"project_name": "{{"}, ["project_slug"]),
    ({"description": LONG}, ["description"]),
    ({"description": "nul\0"}, ["description"]),
    ({"description": "two\nlines"}, ["description"]),
    ({"project_slug": "../../escape"}, ["project_slug"]),
    ({"project_slug": "/tmp/absolute"}, ["project_slug"]),
    ({"project_slug": "a/b"}, ["project_slug"]),
    ({"project_slug": "."}, ["project_slug"]),
    ({"project_slug": "UPPER"}, ["project_slug"]),
    ({"project_slug": "under_score"}, ["project_slug"]),
    ({"project_slug": "two--hyphens"}, ["project_slug"]),
    ({"project_slug": "hyphen-"}, ["project_slug"]),
    ({"project_slug": "größe"}, ["project_slug"]),
    ({"project_slug": "a" * 25}, ["project_slug"]),
    ({"project_slug": "x" * 200}, ["project_slug"]),
    ({"project_slug": "sthree-reserved"}, ["project_slug"]),
    *(({"project_slug": name}, ["project_slug"]) for name in ("flask", "boto3", "flask-cors", "pytest", "stepladder")),
    ({"project_name": "Typing Extensions"}, ["project_slug"]),
    ({"project_slug": "a'; import os"}, ["project_slug"]),
    ({"project_slug": "{{ cookiecutter }}"}, ["project_slug"]),
    ({"project_slug": "newline\n"}, ["project_slug"]),
    ({"aws_account": "12345"}, ["aws_account"]),
    ({"aws_account": "12345678901x"}, ["aws_account"]),
    ({"aws_account": "١٢٣٤٥٦٧٨٩٠١٢"}, ["aws_account"]),
    ({"aws_region": "Ireland"}, ["aws_region"]),
    ({"aws_region": "eu-west-1; rm -rf /"}, ["aws_region"]),
    ({"python_version": "3.10"}, ["python_version"]),
    ({"architecture": "amd64"}, ["architecture"]),
    ({"trigger": "kafka"}, ["trigger"]),
    ({"image_builder": "kaniko"}, ["image_builder"]),
    ({"ci": "jenkins"}, ["ci"]),
    ({"git_init": "perhaps"}, ["git_init"]),
    ({"project_slugg": "typo"}, ["project_slugg"]),
    ({"__checked": "yes"}, ["__checked"]),
    ({"trigger": "kafka", "aws_account": "1", "description": LONG}, ["trigger", "description", "aws_account"]),
]


@pytest.mark.parametrize("text", HOSTILE_TEXT)
def test_free_text_is_data_whatever_it_looks_like(new_project, text):
    project = new_project(description=text)

    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["description"] == text
    assert text in (project / "README.md").read_text("utf-8")
    origin = json.loads((project / ".cruft.json").read_text("utf-8"))
    assert origin["context"]["cookiecutter"]["description"] == text
    assert not list(project.rglob("pwned"))


@pytest.mark.parametrize(("answers", "keys"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_bad_answer_is_refused_by_name_and_nothing_is_made(new_project, tmp_path, answers, keys):
    with pytest.raises(BadInputError) as refused:
        new_project(**answers)

    assert [problem.split(" is ")[0] for problem in refused.value.problems] == keys
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("text", HOSTILE_TEXT)
def test_cookiecutter_itself_treats_a_prompted_description_as_data(template, tmp_path, text):
    """Prompted, not passed: cookiecutter renders what is passed to it as a template of its own."""
    answers = f"\n\n{text}\n" + "\n" * 20
    done = cookiecutter(str(template), "-o", str(tmp_path), given=answers, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert tomllib.loads((tmp_path / "hello-ladder/pyproject.toml").read_text())["project"]["description"] == text


@pytest.mark.parametrize("slug", ["../escape", "a/b", "Ünder", "x" * 200, "a'\"b", "{{ 7 * 7 }}"])
def test_cookiecutter_itself_refuses_a_bad_name_before_it_makes_a_folder(template, tmp_path, slug):
    output = tmp_path / "output"
    done = cookiecutter(str(template), "--no-input", "-o", str(output), f"project_slug={slug}", cwd=tmp_path)

    assert done.returncode == 1
    assert "project_slug is " in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not output.exists()
    assert not (tmp_path / "escape").exists()


def test_cookiecutter_itself_lists_every_problem(template, tmp_path):
    bad = ("project_slug=A", "aws_account=1", "aws_region=x", "description= ")
    done = cookiecutter(str(template), "--no-input", "-o", str(tmp_path), *bad, cwd=tmp_path)

    for answer in bad:
        assert f"  - {answer.partition('=')[0]} is " in done.stdout + done.stderr


def test_a_replay_is_checked_too(template, tmp_path, empty_home):
    cookiecutter(str(template), "--no-input", "-o", str(tmp_path), cwd=tmp_path)
    replay = empty_home / ".cookiecutter_replay" / "template.json"
    replay.write_text(replay.read_text().replace("123456789012", "tampered"))
    done = cookiecutter(str(template), "--replay", "-o", str(tmp_path / "again"), cwd=tmp_path)

    assert done.returncode == 1
    assert "aws_account is 'tampered'" in done.stderr
    assert not list((tmp_path / "again").iterdir())


def test_the_name_for_aws_is_derived_from_the_name_for_people(new_project):
    assert new_project(project_name="Über-Größe: Customer Notification!").name == "uber-grosse-customer-not"


def test_the_longest_allowed_name_fits_in_every_region(new_project):
    assert new_project(project_slug="a" * 24, aws_region="ap-southeast-1").name == "a" * 24


def test_a_region_that_makes_a_bucket_name_too_long_is_refused(new_project):
    with pytest.raises(BadInputError) as refused:
        new_project(project_slug="a" * 24, aws_region="xx-southsouthwest-1")

    assert "allowed: at most 63 characters" in refused.value.problems[0]


def test_the_choices_are_those_of_the_settings(template):
    declared = prompts(template)

    assert sorted(declared["python_version"]) == sorted(load.PYTHONS)
    assert sorted(declared["architecture"]) == sorted(load.ARCHITECTURES)
    assert sorted(declared["trigger"]) == sorted(load.TRIGGERS)
    assert sorted(declared["image_builder"]) == sorted(load.BUILDERS)


def test_the_first_choice_is_the_default_of_the_settings(template):
    declared = prompts(template)

    for prompt, key in (("python_version", "python"), ("architecture", "architecture")):
        assert declared[prompt][0] == load.DEFAULTS[key]
    assert declared["trigger"][0] == load.DEFAULT_TRIGGER


def test_every_prompt_has_a_question_and_a_flag_with_help(template):
    from stepladder.collections.new import HELP

    declared = json.loads((template / "cookiecutter.json").read_text())
    asked = prompts(template)

    assert declared["__prompts__"].keys() == asked.keys()
    assert asked.keys() <= HELP.keys()


def test_the_names_can_be_loaded_where_stepladder_is_not_installed(template):
    text = (template.parent / "stepladder/core/names.py").read_text()

    assert "import stepladder" not in text
    assert "from stepladder" not in text


def test_a_file_of_answers_may_be_yaml_or_json(tmp_path, template):
    (tmp_path / "a.yaml").write_text("project_name: Shop\npython_version: 3.13\naws_account: 111122223333\n")
    (tmp_path / "a.json").write_text(
        '{"project_name": "Shop", "python_version": "3.13", "aws_account": "111122223333"}'
    )

    assert check(read_file(tmp_path / "a.yaml"), template) == check(read_file(tmp_path / "a.json"), template)


@pytest.mark.parametrize("content", ["- a list\n", "{broken", "", "\udcff"])
def test_a_file_that_holds_no_answers_is_refused(tmp_path, content):
    (tmp_path / "answers").write_bytes(content.encode("utf-8", "surrogateescape"))

    with pytest.raises(BadInputError):
        read_file(tmp_path / "answers")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="can't be read"):
        read_file(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("text", [*HOSTILE_TEXT, "a\nb\t\x7f\u2028"])
def test_an_answer_passes_through_jinja_unchanged(text):
    from jinja2 import Environment

    assert Environment(autoescape=False).from_string(as_data(text)).render() == text


def cookiecutter(*arguments: str, cwd: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "cookiecutter", *arguments]
    env = {**os.environ, "COLUMNS": "400"}
    return subprocess.run(argv, cwd=cwd, env=env, input=given, capture_output=True, text=True, timeout=60, check=False)

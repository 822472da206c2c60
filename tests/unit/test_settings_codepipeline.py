"""AWS's own pipeline: what the settings take and refuse, and what Terraform gets of them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from fakes.terraform import ACCOUNT, project

from stepladder.core.errors import BadInputError
from stepladder.settings import codepipeline, load
from stepladder.terraform import inputs_hash, roots

PLACE = {"account": ACCOUNT, "region": "eu-west-1"}
AWAY = {"account": "222222222222", "region": "eu-central-1", "role_arn": "arn:aws:iam::222222222222:role/deployer"}
GOOD: dict[str, Any] = {"project": "orders", "environments": {"staging": PLACE, "production": PLACE}}
ON = {"enabled": True, "repository": "acme/orders"}
CONNECTION = "arn:aws:codeconnections:eu-west-1:123456789012:connection/0d7a5b6c-1111-4222-8333-444455556666"


def read(given: Any, **more: Any) -> load.Settings:
    return load.load({**copy.deepcopy(GOOD), **more, "codepipeline": given}, Path())


def test_a_project_that_says_nothing_has_no_pipeline_and_its_root_gets_what_it_got():
    settings = read({})
    assert not settings.codepipeline.enabled
    at = roots.Root(settings, settings.environment("staging"), "delivery")
    assert set(roots.variables(at)) == {"account", "packages", "project", "region", "rungs", "scan_threshold"}


WRONG = {
    "no repository": ({"enabled": True}, "codepipeline.repository"),
    "a repository with a host": (ON | {"repository": "https://github.com/acme/orders"}, "without a host"),
    "a wildcard": (ON | {"repository": "acme/*"}, "a repository like acme/orders"),
    "another forge": (ON | {"provider": "bitbucket"}, "allowed: github, gitlab"),
    "a branch with a wildcard": (ON | {"branch": "release/*"}, "a branch's name like main"),
    "no connection": (ON | {"connection_arn": "orders"}, "the ARN of a connection"),
    "a connection elsewhere": (
        ON | {"connection_arn": CONNECTION.replace("eu-west-1", "us-east-1")},
        "a connection in eu-west-1, where staging is",
    ),
    "a server of one's own that Terraform can't connect": (
        ON | {"url": "https://git.example.com"},
        "the ARN of a connection beside codepipeline.url",
    ),
    "an address that is none": (ON | {"url": "git.example.com"}, "an address like https://gitlab.example.com"),
    "a machine that isn't offered": (ON | {"compute_type": "HUGE"}, "BUILD_GENERAL1_SMALL"),
    "a build of no time": (ON | {"timeout_minutes": 1}, "a whole number from 5 to 480"),
    "commands that are no list": (ON | {"setup": "apk add uv"}, "a list of commands of one line each"),
    "a command of two lines": (ON | {"setup": ["a\nb"]}, "a list of commands of one line each"),
    "an unknown setting": (ON | {"buildspec": "x"}, "codepipeline.buildspec is not a setting"),
}


@pytest.mark.parametrize(("given", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_setting_is_refused_with_what_is_allowed(given, message):
    with pytest.raises(BadInputError) as refused:
        read(given)
    assert message in " ".join(refused.value.problems)


def test_china_s_regions_have_no_action_for_step_functions():
    china = {"account": ACCOUNT, "region": "cn-north-1"}
    with pytest.raises(BadInputError) as refused:
        read(ON, environments={"staging": china, "production": china})
    assert "regions of China" in " ".join(refused.value.problems)


def test_what_is_wrong_while_it_is_off_is_left_for_later():
    assert read({"url": "https://git.example.com"}).codepipeline.repository == ""


@pytest.mark.parametrize(
    ("given", "api"),
    [
        ({}, "https://api.github.com"),
        ({"provider": "gitlab"}, "https://gitlab.com/api/v4"),
        ({"url": "https://git.example.com", "connection_arn": CONNECTION}, "https://git.example.com/api/v3"),
        (
            {"provider": "gitlab", "url": "https://git.example.com/", "connection_arn": CONNECTION},
            "https://git.example.com/api/v4",
        ),
    ],
)
def test_commits_are_flagged_by_the_forge_s_own_api(given, api):
    assert codepipeline.variable(read(ON | given))["api"] == api


def test_a_build_needs_docker_only_for_that_builder_and_its_processor():
    def asked(**image: str) -> tuple[bool, bool]:
        variable = codepipeline.variable(read(ON, image=image))
        return variable["docker"], variable["arm"]

    assert asked() == asked(builder="layers") == (False, False)
    assert asked(builder="docker") == (True, True)
    x86 = codepipeline.variable(read(ON, image={"builder": "docker"}, architecture="x86_64"))
    assert (x86["docker"], x86["arm"]) == (True, False)


def test_builds_may_assume_the_roles_of_environments_and_no_others():
    settings = read(ON, environments={"staging": PLACE, "production": AWAY, "sandbox": PLACE})
    assert codepipeline.foundation(settings)["role_arns"] == [AWAY["role_arn"]]


def test_the_delivery_root_of_the_lowest_rung_s_place_gets_it_and_no_other():
    settings = read(ON, environments={"staging": PLACE, "production": AWAY})
    at = {name: roots.Root(settings, settings.environment(name), "delivery") for name in ("staging", "production")}
    assert roots.variables(at["staging"])["codepipeline"]["repository"] == "acme/orders"
    assert "codepipeline" not in roots.variables(at["production"])


VARIABLES = 'variable "codepipeline" {\n}\n\nvariable "permissions_boundary" {\n}\n'


class TestRootsOfBefore:
    """A project's own Terraform code, which an earlier release made."""

    @staticmethod
    def at(folder: Path, module_variables: str) -> roots.Root:
        settings = project(folder, codepipeline=ON)
        at = roots.Root(settings, settings.environment("staging"), "delivery")
        at.source_dir.mkdir(parents=True, exist_ok=True)
        (at.source_dir / "main.tf").write_text('module "delivery" {\n  source = "../modules/delivery"\n}\n')
        module = at.terraform_dir / "modules" / "delivery"
        module.mkdir(parents=True, exist_ok=True)
        (module / "variables.tf").write_text(module_variables)
        return at

    def test_the_module_gets_it_directly(self, tmp_path):
        at = self.at(tmp_path, VARIABLES)
        assert json.loads(roots.override(at))["module"]["delivery"]["codepipeline"]["repository"] == "acme/orders"

    def test_a_root_that_declares_it_takes_it_itself(self, tmp_path):
        at = self.at(tmp_path, VARIABLES)
        (at.source_dir / "variables.tf").write_text(VARIABLES)
        assert roots.override(at) == ""

    def test_a_module_that_is_as_old_is_refused_with_the_way_out(self, tmp_path):
        at = self.at(tmp_path, 'variable "project" {\n}\n')
        with pytest.raises(BadInputError, match=r"older than `stepladder.codepipeline`") as refused:
            roots.override(at)
        assert "`inv project.upgrade`" in refused.value.hint

    def test_a_root_without_the_module_is_refused_too(self, tmp_path):
        at = self.at(tmp_path, VARIABLES)
        (at.source_dir / "main.tf").write_text('module "mine" {\n  source = "../modules/delivery"\n}\n')
        with pytest.raises(BadInputError, match=r'has no `module "delivery"` to give `stepladder.codepipeline`'):
            roots.override(at)


def test_switching_it_on_changes_what_the_ledger_compares(tmp_path):
    off, on = project(tmp_path), project(tmp_path, codepipeline=ON)
    (tmp_path / "terraform" / "delivery").mkdir(parents=True, exist_ok=True)
    (tmp_path / "terraform" / "delivery" / "main.tf").write_text("")
    assert inputs_hash(off, "staging", "delivery") != inputs_hash(on, "staging", "delivery")

"""A trigger kind that nobody knew is one folder: the service module plans it, and the other kinds as before."""

from __future__ import annotations

import json
import shutil

import checkouts
import pytest

pytestmark = pytest.mark.terraform


@pytest.fixture(scope="module")
def root(tmp_path_factory, write):
    """A project's roots as the template has them, beside the modules."""
    checkout = checkouts.with_the_made_up_kind(tmp_path_factory.mktemp("kind"))
    terraform = checkout / "template/{{cookiecutter.project_slug}}/terraform"
    shutil.copytree(checkout / "terraform/modules", terraform / "modules")
    (terraform / "service/versions.tf").write_text(write.provider, "utf-8")
    return terraform / "service"


def test_the_root_passes_its_variables_on_and_plans_what_it_says(root, runner):
    image = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/sample@sha256:{'0' * 64}"
    values = {
        "account": "123456789012",
        "environment": "staging",
        "image_uri": image,
        "project": "sample",
        "region": "eu-west-1",
        "triggers": {"topic": {"this": {"display_name": "Invoices"}, "returns": {}}},
    }
    (root / "terraform.tfvars.json").write_text(json.dumps(values), "utf-8")
    test = runner.test(root)
    test.setup(upgrade=False)
    plan = test.plan(output=True, refresh=False)
    (module,) = plan.root_module.child_modules.values()
    planned = {each["address"].removeprefix("module.service."): each["values"] for each in module["resources"]}

    assert planned['aws_sns_topic.this["this"]']["display_name"] == "Invoices"
    assert planned['aws_sns_topic.this["returns"]']["display_name"] == "Orders"
    assert planned['aws_sns_topic_subscription.topic["this"]']["protocol"] == "lambda"
    assert plan["output_changes"]["topic_arn"]["after"] is None
    assert "sns:GetTopicAttributes" in planned["aws_iam_role_policy.function"]["policy"]
    assert not [address for address in planned if "sqs" in address or "url" in address]


def test_it_is_formatted_as_terraform_does(root, runner):
    done = runner.run(root.parent, "fmt", "-check", "-recursive", "-list=true")
    assert (done.code, done.out) == (0, "")

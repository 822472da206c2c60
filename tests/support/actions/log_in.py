"""What the stand-in for aws-actions/configure-aws-credentials does: GitHub's part and the action's.

GitHub's: whether the job gets a token, and what it says of the job, by the workflow's file and the event. The action's:
ask for the token, take the role with it, and leave the credentials to the steps that follow.
"""

import json
import os
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import ci_tokens
import yaml
from botocore import UNSIGNED
from botocore.config import Config

AUDIENCE = "sts.amazonaws.com"


def job() -> dict[str, Any]:
    """Return the job as its workflow defines it: the runner knows neither its environment nor its permissions."""
    for path in sorted(Path(".github/workflows").iterdir()):
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        if workflow["name"] == os.environ["GITHUB_WORKFLOW"]:
            return dict(workflow["jobs"][os.environ["GITHUB_JOB"]])
    raise LookupError(os.environ["GITHUB_WORKFLOW"])


def claims(definition: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Return what GitHub's token says. A job without the permission gets none, and no job of a fork has it."""
    repository = os.environ["GITHUB_REPOSITORY"]
    head = (event.get("pull_request") or {}).get("head", {}).get("repo", {}).get("full_name", repository)
    if definition["permissions"].get("id-token") != "write" or head != repository:
        sys.exit("this job may ask for no identity token: it needs the permission `id-token: write`")
    ids = event["repository"]
    return ci_tokens.github(
        repository,
        ref=os.environ["GITHUB_REF"],
        environment=definition.get("environment", ""),
        event=os.environ["GITHUB_EVENT_NAME"],
        ids=(str(ids["owner"]["id"]), str(ids["id"])),
        actor=os.environ["GITHUB_ACTOR"],
        run_id=os.environ["GITHUB_RUN_ID"],
        sha=os.environ["GITHUB_SHA"],
    )


def main() -> None:
    """Log in."""
    cloud, definition = os.environ["AWS_ENDPOINT_URL"], job()
    identity = claims(definition, json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8")))
    request = ci_tokens.github_variables(cloud, identity)
    url = f"{request['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={urllib.parse.quote(AUDIENCE)}"
    bearer = {"Authorization": f"Bearer {request['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, headers=bearer), timeout=10) as answer:
        token = json.loads(answer.read())["value"]
    # The forge's variables of an environment: the runner has one value for all.
    role = os.environ["ROLE"].replace("{environment}", definition.get("environment", "").partition("-")[0])
    sts = boto3.client(
        "sts", endpoint_url=cloud, region_name=os.environ["REGION"], config=Config(signature_version=UNSIGNED)
    )
    session = sts.assume_role_with_web_identity(
        RoleArn=role, RoleSessionName=os.environ["SESSION"], WebIdentityToken=token
    )
    credentials = session["Credentials"]
    values = {
        **request,
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
        "AWS_REGION": os.environ["REGION"],
        "AWS_DEFAULT_REGION": os.environ["REGION"],
    }
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        print(f"::add-mask::{values[name]}")
    with Path(os.environ["GITHUB_ENV"]).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
    print(f"took {session['AssumedRoleUser']['Arn']} as {identity['sub']}")


main()

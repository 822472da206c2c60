"""`inv image.prune` and `inv function.prune` as a person runs them, on the local cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from live_project import LiveProject

from stepladder.aws_lambda.lambda_function import LambdaFunction
from stepladder.core.clock import Clock
from stepladder.releases.version_users import CALLED, VersionUsers

pytestmark = [pytest.mark.cloud, pytest.mark.e2e]


def held(live: LiveProject) -> set[str]:
    details = live.cloud.client("ecr").describe_images(repositoryName=live.name)["imageDetails"]
    return {image["imageDigest"] for image in details if not image.get("subjectManifestDigest")}  # no SBOMs


def test_an_image_that_nothing_runs_goes_and_what_is_live_answers_on(cloud: Any, tmp_path: Path) -> None:
    live = LiveProject(cloud, tmp_path)
    live.make()
    live.say("never released")
    unused = live.inv("image.push", "--env", "staging", "--json").json["digest"]
    live.say("two")
    assert live.deploy().code == 0
    needed = held(live) - {unused}
    assert len(needed) == 2

    young = live.inv("image.prune", "--env", "staging", "--yes", "--json")
    assert (young.code, young.json["result"], young.json["kept"]["young"]) == (0, "unchanged", 1)
    every = ("image.prune", "--env", "staging", "--min-age-hours", "0")
    refused = live.inv(*every)
    assert (refused.code, unused in held(live)) == (4, True)
    assert unused[7:19] in refused.out
    assert "--yes" in refused.err
    dry = live.inv(*every, "--dry-run", "--json")
    assert (dry.code, dry.json["to_delete"], unused in held(live)) == (0, [unused], True)

    done = live.inv(*every, "--yes", "--keep", "5", "--json")
    assert done.code == 0, done.err
    assert (done.json["deleted"], done.json["keep"]) == ([unused], 5)
    assert held(live) == needed
    assert live.answer() == "two"
    assert live.inv("rollback", "--env", "staging").code == 0
    assert live.answer() == "one"

    wrong = live.inv(*every, "--yes", "--keep", "2", "--json")
    assert (wrong.code, wrong.json["error"]) == (2, "--keep is 2")

    versions = live.inv("function.prune", "--env", "staging", "--min-age-hours", "0", "--keep", "5", "--json")
    assert versions.code == 0, versions.err
    assert versions.json["result"] == "unchanged", "the newest five are kept"
    client = live.cloud.client("lambda")
    function = LambdaFunction(client, f"{live.name}-staging")
    users = VersionUsers(client, Clock())
    assert users.of(function.name, function.versions(), callers=True) == {}
    client.add_permission(
        FunctionName=function.name,
        Qualifier="1",
        StatementId="partner",
        Action="lambda:InvokeFunction",
        Principal="222222222222",
    )
    assert users.of(function.name, function.versions(), callers=True) == {"1": CALLED}
    assert users.of(function.name, function.versions(), callers=False) == {}

"""An alias that serves what is wanted, though the ledger has older facts about it: they are brought up to date."""

from __future__ import annotations

from dataclasses import replace

from stepladder.aws_lambda.alias import Alias
from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.ledger.schema import Current
from stepladder.releases import live_smoke
from stepladder.releases.plan import RELEASE
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_suite import Suite


def serves(rung: Rung, alias: Alias, latest: FunctionState, digest: str) -> bool:
    """Say whether the alias's version has the wanted image and the configuration that $LATEST has now."""
    served = rung.function.read(alias.version)
    return bool(
        served and served.digest == digest and served.config_hash == latest.config_hash and latest.digest == digest
    )


def adopt(rung: Rung, alias: Alias, current: Current, suite: Suite, *, infra_hash: str, config_hash: str) -> None:
    """Record the alias's revision and both hashes, so that the next deploy with nothing to do needs two calls again.

    Smoke cases that the live version has not passed yet are run first.
    """
    smoke_key = live_smoke.passed(rung, alias, current, suite)
    with rung.console.step(RELEASE) as step:
        new = replace(
            current,
            alias_revision=alias.revision,
            infra_hash=infra_hash,
            config_hash=config_hash,
            smoke_key=smoke_key,
        )
        rung.ledger.set_current(rung.target, new, was=current, holding=rung.lock.holding)
        step.skip(f"version {alias.version} has the wanted image and configuration")

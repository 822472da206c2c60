"""The delivery root: the state machine and its functions, brought to what the code says before a climb starts."""

from __future__ import annotations

from stepladder.releases import records
from stepladder.releases.clock import stamp
from stepladder.releases.records import Infra
from stepladder.releases.rung import Rung

ROOT = "delivery"
_KEY = records.key(f"root#{ROOT}", "infra")


def ensure(rung: Rung) -> None:
    """Apply the root when the hash of its inputs isn't the one last applied; otherwise one read of the ledger."""
    from stepladder import terraform

    wanted = terraform.inputs_hash(rung.settings, rung.environment, ROOT)
    with rung.console.step(ROOT) as step:
        if applied(rung) == wanted:
            step.skip("the state machine is as the code says")
            return
        outcome = terraform.ensure(rung.settings, rung.environment, ROOT, aws=rung.aws, step=step)
        record(rung, outcome.inputs_hash, outcome.plan_id)
        step.done(str(outcome.counts) if outcome.applied else "no changes")


def applied(rung: Rung) -> str:
    """Return the hash of the inputs that were last applied; empty before the first apply."""
    answer = rung.ledger.client.get_item(TableName=rung.ledger.table, Key=_KEY, ConsistentRead=True)
    found = records.record(Infra, answer.get("Item"))
    return found.input_hash if found else ""


def record(rung: Rung, inputs_hash: str, plan_id: str) -> None:
    """Tell the ledger what was applied."""
    infra = Infra(input_hash=inputs_hash, plan_id=plan_id, applied_at=stamp(rung.clock.now()))
    rung.ledger.client.put_item(TableName=rung.ledger.table, Item=records.item(_KEY, infra))

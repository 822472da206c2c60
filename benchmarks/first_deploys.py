"""The first deploy from nothing, beside those of the peers that have one of their own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import progress
from contenders import REST, project
from peers import Engine, NotRunnableError, Peer, running
from peers.cdk import CdkDeploy
from peers.chalice import Chalice
from peers.installing import reason
from peers.osls import OslsDeploy
from peers.sam import SamDeployPolling
from peers.terraform import Terraform
from tables import Goal, Row, Spread, Table, told

SECONDS = 14.0
READS = {
    "cloudformation": "list_stacks",
    "cloudwatch": "describe_alarms",
    "codedeploy": "list_applications",
    "dynamodb": "list_tables",
    "ecr": "describe_repositories",
    "iam": "list_roles",
    "lambda": "list_functions",
    "logs": "describe_log_groups",
    "s3": "list_buckets",
    "sts": "get_caller_identity",
}
"""A read of each service that a deployment calls. The cloud loads a service at its first call: 0.4 s for all."""
DEPLOYMENTS: tuple[type[Peer], ...] = (OslsDeploy, SamDeployPolling, CdkDeploy, Terraform, Chalice)


def first_table(work: Path, engine: Engine, rounds: int, firsts: Sequence[float]) -> Table:
    """Deploy from nothing by turns, each round to a cloud of its own, and return the table."""
    own: list[float] = []
    peers: dict[type[Peer], list[float]] = {kind: [] for kind in DEPLOYMENTS}
    reasons: dict[type[Peer], str] = {}
    names: dict[type[Peer], str] = {}
    for number in progress.counted(rounds, "first deploys"):
        folder = work / f"first-{number}"
        folder.mkdir()
        with running(folder, engine) as site:
            for service, read in READS.items():
                getattr(site.client(service), read)()
            deploy = project(site, site.work / "project", "layers", "process").deploy
            time.sleep(REST)
            own.append(deploy.run().seconds)
            for kind in DEPLOYMENTS:
                peer = kind()
                try:
                    peer.install(site)
                    peer.settle_in(site)
                    names[kind] = f"{peer.name} {peer.version}"
                    time.sleep(REST)
                    peers[kind].append(sum(command.run().seconds for command in peer.first()))
                    peer.live()
                except (NotRunnableError, RuntimeError) as error:
                    reasons[kind] = reason(error)
    rows = []
    ours = Spread(tuple(own))
    values = {"tool": "stepladder", "seconds": ours.figures, "ours": True}
    rows.append(Row(("stepladder, layers builder", ours.text(1), str(len(own)), ""), values))
    for kind in DEPLOYMENTS:
        name = names.get(kind, kind.name)
        if kind in reasons or not peers[kind]:
            rows.append(Row((name, "-", "0", reasons.get(kind, "")), {"tool": kind.name}))
            continue
        seconds = Spread(tuple(peers[kind]))
        rows.append(
            Row((name, seconds.text(1), str(len(peers[kind])), ""), {"tool": kind.name, "seconds": seconds.figures})
        )
    measured = f"{told(ours.median, SECONDS, 1)} s"
    goals = [Goal("the first deploy", f"at most {SECONDS:.0f} s", measured, ours.median <= SECONDS)]
    notes = [
        "stepladder's makes state, ledger, pipeline, alarms and service by two roots of Terraform.",
        "The peers' make one function, Terraform's an alias, too.",
        "cdk's includes `cdk bootstrap`. The buckets and repositories that sam and osls need are made before.",
        "The base image is in the registry before all of them, so no first push carries it.",
        "CloudFormation costs nothing in the local cloud.",
        "Each run begins a second after what came before it: the installation, or another tool's deployment.",
        "Before that, the cloud has answered a call of each service. It loads a service at its first call.",
        "All tools of Python have their byte code. After a bare `uv sync` stepladder's first command makes it, once.",
    ]
    if firsts:
        notes.append(f"Before that, in the run of changes: {', '.join(f'{each:.1f} s' for each in firsts)}.")
    head = ("tool", "seconds", "runs", "")
    return Table("first", "The first deploy, from nothing", head, tuple(rows), tuple(notes), tuple(goals))

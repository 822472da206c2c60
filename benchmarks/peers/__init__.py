"""Peers: other tools that take Python code to Lambda, installed, set up and run by the benchmark.

A file for each tool. A peer that can't be installed or can't run says why by `NotRunnableError`.
"""

from __future__ import annotations

from peers.aws_cli import AwsCli
from peers.cdk import CdkDeploy, CdkExpress, CdkHotswap
from peers.chalice import Chalice
from peers.engine import Engine
from peers.engine import running as running_engine
from peers.floors import AppendedLayer, DockerBuild
from peers.installing import NotRunnableError
from peers.osls import OslsDeploy, OslsFunction
from peers.peer import Peer
from peers.sam import SamDeploy, SamDeployExpress, SamDeployPolling, SamSync
from peers.serverless import ServerlessFour, ServerlessFunction
from peers.site import Site, running
from peers.terraform import Terraform

__all__ = ["PEERS", "Engine", "NotRunnableError", "Peer", "Site", "running", "running_engine"]

PEERS: tuple[type[Peer], ...] = (
    AppendedLayer,
    DockerBuild,
    OslsFunction,
    OslsDeploy,
    ServerlessFunction,
    ServerlessFour,
    SamSync,
    SamDeploy,
    SamDeployPolling,
    SamDeployExpress,
    CdkHotswap,
    CdkDeploy,
    CdkExpress,
    Chalice,
    AwsCli,
    Terraform,
)
